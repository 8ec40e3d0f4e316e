//! The page's files, all inside the program.

use axum::Router;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;

use crate::App;

struct Asset {
    path: &'static str,
    kind: &'static str,
    text: &'static str,
}

macro_rules! assets {
    ($($path:literal $kind:ident $file:literal)*) => {
        [$(Asset {
            path: $path,
            kind: $kind,
            text: include_str!(concat!("../assets/", $file)),
        }),*]
    };
}

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const IMAGE: &str = "image/svg+xml";

static ASSETS: [Asset; 10] = assets! {
    "/" HTML "index.html"
    "/style.css" STYLE "style.css"
    "/icon.svg" IMAGE "icon.svg"
    "/app.js" SCRIPT "app.js"
    "/net.js" SCRIPT "net.js"
    "/dom.js" SCRIPT "dom.js"
    "/home.js" SCRIPT "home.js"
    "/task.js" SCRIPT "task.js"
    "/approval.js" SCRIPT "approval.js"
    "/result.js" SCRIPT "result.js"
};

pub(crate) fn routes() -> Router<App> {
    ASSETS.iter().fold(Router::new(), |router, asset| {
        router.route(
            asset.path,
            get(async || ([(header::CONTENT_TYPE, asset.kind)], asset.text).into_response()),
        )
    })
}
