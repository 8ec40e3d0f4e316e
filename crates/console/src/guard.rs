//! Who may ask, and from where: host name, key or cookie, and writes from this page alone.
//!
//! Any page in the owner's browser and any program on the machine can reach a loopback port. So
//! every request must name the console by a loopback name (a foreign one is DNS rebinding), must
//! hold the key or the cookie, and a write must not come from another site.

use axum::extract::Request;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::HeaderName;
use axum::http::HeaderValue;
use axum::http::Method;
use axum::http::StatusCode;
use axum::http::header;
use axum::middleware::Next;
use axum::response::IntoResponse;
use axum::response::Response;

use crate::App;
use crate::problem::Kind;
use crate::problem::Problem;

/// Nothing but the console's own files may be loaded, run, framed or sent to.
const CONTENT_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";

/// What a browser without a key is told; it needs no style, and so no file beside it.
const LOCKED: &str = "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
    <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
    <title>Gatepost: locked</title></head><body><main><h1>This console is locked</h1>\
    <p>Open the link that <code>gatepost up</code> printed after <code>console:</code>. \
    It carries the key.</p></main></body></html>\n";

const SECURITY_HEADERS: [(HeaderName, &str); 7] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// Lets through what may pass, and puts the security headers on every answer.
pub(crate) async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    let mut response = match admit(&app, &request) {
        Ok(Admission::Pass) => next.run(request).await,
        Ok(Admission::Exchange) => exchange(&app),
        Err(problem) => refuse(problem, &request),
    };
    let headers = response.headers_mut();
    for (name, value) in SECURITY_HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

enum Admission {
    Pass,
    /// The key was in the link: trade it for a cookie, so that it leaves the address bar.
    Exchange,
}

fn admit(app: &App, request: &Request) -> Result<Admission, Problem> {
    check_host(app, request)?;
    let headers = request.headers();
    let safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if !safe {
        // Whatever the proof: a browser that says the write comes from elsewhere is believed.
        check_not_foreign(app, headers)?;
    }
    if request.uri().path() == "/"
        && safe
        && let Some(given) = key_in_query(request.uri().query().unwrap_or_default())
    {
        return if app.key.accepts(given) {
            Ok(Admission::Exchange)
        } else {
            Err(locked("the key in the link is wrong"))
        };
    }
    if let Some(given) = headers.get(header::AUTHORIZATION) {
        // Somebody who shows a key is judged by it, whatever cookie comes along.
        let right = given.to_str().ok().and_then(bearer).is_some_and(|key| app.key.accepts(key));
        return if right {
            Ok(Admission::Pass)
        } else {
            Err(locked("the key in `Authorization` is wrong"))
        };
    }
    if !cookies(headers, &app.cookie_name).any(|value| app.key.accepts_cookie(value)) {
        return Err(locked("the request has neither the key nor the console's cookie"));
    }
    if !safe {
        check_own_page(headers)?;
    }
    Ok(Admission::Pass)
}

fn locked(detail: &str) -> Problem {
    Problem::new(
        Kind::Unauthorised,
        detail,
        "open the link that `gatepost up` printed after `console:`, or send `Authorization: Bearer KEY`",
    )
}

fn refuse(problem: Problem, request: &Request) -> Response {
    let page = request.uri().path() == "/" && request.method() == Method::GET;
    if page && problem.status == StatusCode::UNAUTHORIZED.as_u16() {
        let html = HeaderValue::from_static("text/html; charset=utf-8");
        let mut response =
            (StatusCode::UNAUTHORIZED, [(header::CONTENT_TYPE, html)], LOCKED).into_response();
        let from_elsewhere = request
            .headers()
            .get("sec-fetch-site")
            .is_some_and(|site| site == "cross-site" || site == "same-site");
        // A link followed from another page: the browser keeps a strict cookie back, even one it
        // was given a moment ago. Asking once more from here brings it along.
        if from_elsewhere && key_in_query(request.uri().query().unwrap_or_default()).is_none() {
            response.headers_mut().insert(header::REFRESH, HeaderValue::from_static("0; url=/"));
        }
        return response;
    }
    problem.into_response()
}

fn exchange(app: &App) -> Response {
    let cookie =
        format!("{}={}; HttpOnly; SameSite=Strict; Path=/", app.cookie_name, app.key.cookie());
    let home = [(header::LOCATION, "/".to_owned()), (header::SET_COOKIE, cookie)];
    (StatusCode::SEE_OTHER, home).into_response()
}

fn check_host(app: &App, request: &Request) -> Result<(), Problem> {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (Some(only), None) => only.to_str().unwrap_or_default(),
        _ => "",
    };
    // An absolute request target outranks the header, so it must not name another host either.
    let target = request.uri().authority().map(axum::http::uri::Authority::as_str);
    if app.is_own_host(host) && target.is_none_or(|target| app.is_own_host(target)) {
        return Ok(());
    }
    Err(Problem::new(
        Kind::ForeignHost,
        "the console answers only under its loopback address",
        format!("use http://127.0.0.1:{}/", app.port),
    ))
}

fn check_not_foreign(app: &App, headers: &HeaderMap) -> Result<(), Problem> {
    let site = headers.get("sec-fetch-site").map(|value| value.to_str().unwrap_or("?"));
    if site.is_some_and(|site| site != "same-origin" && site != "none") {
        return Err(cross_origin());
    }
    match headers.get(header::ORIGIN).map(|value| value.to_str().unwrap_or("?")) {
        Some(origin) => match origin.strip_prefix("http://") {
            Some(host) if app.is_own_host(host) && names_same_host(headers, host) => Ok(()),
            _ => Err(cross_origin()),
        },
        None => Ok(()),
    }
}

/// `localhost` and `127.0.0.1` are two origins, though both are ours.
fn names_same_host(headers: &HeaderMap, origin: &str) -> bool {
    let host = headers.get(header::HOST).and_then(|value| value.to_str().ok());
    host.is_some_and(|host| host.eq_ignore_ascii_case(origin))
}

/// A write by cookie must show that it comes from the console's own page: every browser of today
/// says so on a write. Foreign values were refused before, so presence is enough.
fn check_own_page(headers: &HeaderMap) -> Result<(), Problem> {
    let said = headers.contains_key(header::ORIGIN) || headers.contains_key("sec-fetch-site");
    if !said {
        return Err(cross_origin());
    }
    let json = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"));
    if json {
        return Ok(());
    }
    Err(Problem::new(
        Kind::MediaType,
        "a write with the console's cookie must be JSON",
        "send `Content-Type: application/json`, or use `Authorization: Bearer KEY`",
    ))
}

fn cross_origin() -> Problem {
    Problem::new(
        Kind::CrossOrigin,
        "a write must come from the console's own page or carry the key",
        "from a script, send `Authorization: Bearer KEY` and no `Origin`",
    )
}

fn key_in_query(query: &str) -> Option<&str> {
    // A key has no character that a link would escape.
    query.split('&').find_map(|pair| pair.strip_prefix("key="))
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, key) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(key.trim())
}

fn cookies<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = &'a str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(move |pair| {
            let (key, value) = pair.trim().split_once('=')?;
            (key == name).then_some(value)
        })
}
