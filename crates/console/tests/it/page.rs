//! The page's files: served whole, and free of what the content policy or the review forbids.

use std::collections::BTreeSet;

use reqwest::Method;
use reqwest::StatusCode;

use crate::world::World;
use crate::world::send;

#[tokio::test]
async fn every_file_is_served_and_loads_nothing_that_is_not() {
    let world = World::new().await;
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/assets");
    let mut names = BTreeSet::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        names.insert(entry.unwrap().file_name().into_string().unwrap());
    }
    for name in &names {
        let path = if name == "index.html" { String::new() } else { name.clone() };
        let got = send(world.keyed(Method::GET, &format!("/{path}"))).await;
        assert_eq!(got.status, StatusCode::OK, "{name}");
        assert_eq!(got.text, std::fs::read_to_string(format!("{directory}/{name}")).unwrap());
        let kind = got.headers["content-type"].to_str().unwrap();
        let expect = match name.rsplit_once('.').unwrap().1 {
            "html" => "text/html; charset=utf-8",
            "js" => "text/javascript; charset=utf-8",
            "css" => "text/css; charset=utf-8",
            "svg" => "image/svg+xml",
            other => panic!("a file of a new kind: {other}"),
        };
        assert_eq!(kind, expect);
        for import in got.text.split(" from '/").skip(1) {
            let imported = import.split('\'').next().unwrap();
            assert!(names.contains(imported), "{name} imports `{imported}`");
        }
    }
}

#[test]
fn text_from_elsewhere_can_only_ever_be_text() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/assets");
    let banned = [
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "new Function",
        "DOMParser",
        "setHTML",
        "createContextualFragment",
        "srcdoc",
        "javascript:",
        " style=",
        "onclick=",
        "onerror=",
        "http://",
        "https://",
        "//cdn",
    ];
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        for word in banned {
            let allowed = path.extension().is_some_and(|kind| kind == "svg") && word == "http://";
            assert!(allowed || !text.contains(word), "{} has `{word}`", path.display());
        }
        if path.extension().is_some_and(|kind| kind == "html") {
            let open = text.matches("<script").count();
            assert_eq!(open, text.matches("<script type=\"module\" src=\"/app.js\">").count());
            assert!(!text.contains("<style"));
        }
    }
}
