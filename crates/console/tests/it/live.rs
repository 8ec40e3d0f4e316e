//! The stream of records, and how the console ends.

use std::time::Duration;

use reqwest::Method;
use serde_json::Value;

use crate::fake::BACKLOG;
use crate::world::World;

/// Reads the stream until `enough` or its end.
#[expect(clippy::unwrap_used, reason = "a helper of tests fails them where it stands")]
async fn read(response: &mut reqwest::Response, enough: impl Fn(&str) -> bool) -> String {
    let mut text = String::new();
    while !enough(&text) {
        match response.chunk().await.unwrap() {
            Some(chunk) => text.push_str(&String::from_utf8_lossy(&chunk)),
            None => break,
        }
    }
    text
}

#[tokio::test]
async fn records_come_with_kind_number_and_themselves() {
    let world = World::new().await;
    let mut stream = world.keyed(Method::GET, "/api/events").send().await.unwrap();
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    let hello = read(&mut stream, |text| text.contains("\n\n")).await;
    assert!(hello.contains("event: hello") && hello.contains("retry: 1000"), "{hello}");
    let id = world.hub.running("x");
    let text = read(&mut stream, |text| text.contains("event: run-ready")).await;
    let event = text.split("\n\n").find(|event| event.contains("event: task-received")).unwrap();
    let line = |name: &str| {
        event.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned()
    };
    assert_eq!(line("id:"), "1");
    let record: Value = serde_json::from_str(&line("data:")).unwrap();
    assert_eq!((&record["kind"], &record["seq"]), (&"task-received".into(), &1.into()));
    assert_eq!(record["task"], id.as_str());
}

#[tokio::test]
async fn a_watcher_that_falls_behind_is_cut_off_and_can_come_back() {
    let world = World::new().await;
    let mut stream = world.keyed(Method::GET, "/api/events").send().await.unwrap();
    read(&mut stream, |text| text.contains("\n\n")).await;
    // Sent in one go, so that the server cannot pass them on in between.
    world.hub.noise(BACKLOG * 3);
    let text = read(&mut stream, |_| false).await;
    assert!(text.matches("event: hub-started").count() < BACKLOG * 3, "it must not pretend");
    let again = world.keyed(Method::GET, "/api/events").send().await.unwrap();
    assert_eq!(again.status(), 200);
}

#[tokio::test]
async fn the_end_of_the_console_ends_its_streams() {
    let mut world = World::new().await;
    let mut stream = world.keyed(Method::GET, "/api/events").send().await.unwrap();
    read(&mut stream, |text| text.contains("\n\n")).await;
    world.stop.cancel();
    read(&mut stream, |_| false).await;
    let ended = tokio::time::timeout(Duration::from_secs(2), world.tasks.join_next()).await;
    assert!(ended.expect("it ends without waiting for the grace").unwrap().is_ok());
}
