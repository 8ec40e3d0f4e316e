//! The network of a task: what is configured is reached, the rest is refused and told of.

use std::net::SocketAddr;
use std::path::Path;

use gatepost_e2e::Gatepost;
use gatepost_e2e::Project;
use gatepost_e2e::Setup;
use gatepost_e2e::api::events_of;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// A web server on this machine's loopback.
pub(crate) async fn server() -> (SocketAddr, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = axum::Router::new().fallback(|| async { "served" });
    let mut serving = JoinSet::new();
    serving.spawn(async move { axum::serve(listener, app).await.unwrap() });
    (address, serving)
}

fn set_up(root: &Path, egress: &str) -> Setup {
    let project = Project::git(root);
    let path = project.path();
    Setup::new(root).config(&format!("[projects.demo]\npath = {path:?}\n{egress}"))
}

fn up(egress: &str) -> (tempfile::TempDir, Gatepost) {
    let root = tempfile::tempdir().unwrap();
    let gatepost = set_up(root.path(), egress).up();
    (root, gatepost)
}

#[tokio::test]
async fn an_allowed_host_is_reached_a_refused_one_is_named_in_the_summary() {
    let (at, _serving) = server().await;
    let egress = format!("[egress]\nallow = [\"localhost\"]\nallow_private = [\"{at}\"]\n");
    let (_root, gatepost) = up(&egress);
    let api = gatepost.api();
    let port = at.port();
    let text = format!(
        "$ curl -sS http://127.0.0.1:{port}/direct\n\
         $ env -u no_proxy -u NO_PROXY curl -sS http://localhost:{port}/proxied\n\
         $ -curl -sS http://evil.example/steal"
    );
    let id = api.submit(&text).await;
    // The gate asks about a host that is not configured. Say yes: the sandbox says no all the same.
    let approval = api.approval(&id).await;
    api.answer(&approval, "approve").await;
    let task = api.finished(&id).await;
    assert_eq!(task["outcome"], "succeeded", "{task:#}");
    let output: Vec<String> = events_of(&task, "action-finished")
        .iter()
        .map(|event| event["result"]["head"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(output[0], "served", "{task:#}");
    assert!(output[1].contains("served"), "{task:#}");
    assert!(output[2].contains("`evil.example:80`: it is not on the allow-list"), "{task:#}");
    let network = &task["summary"]["network"];
    assert!(network["reached"].to_string().contains(&format!("localhost:{port}")), "{task:#}");
    assert_eq!(network["refused"][0]["host"], "evil.example:80", "{task:#}");
    assert_eq!(network["refused"][0]["reason"], "it is not on the allow-list");
    assert!(network["sent_bytes"].as_u64().unwrap() > 0 && !events_of(&task, "egress").is_empty());
    let hosts = &events_of(&task, "run-ready")[0]["sandbox"]["hosts"];
    assert_eq!(hosts[0], "localhost", "the record says what was open: {task:#}");
}

#[tokio::test]
async fn where_nothing_is_configured_there_is_no_network() {
    let (at, _serving) = server().await;
    let (_root, gatepost) = up("");
    let api = gatepost.api();
    let id = api.submit(&format!("$ -curl -sS http://{at}/\n$ env | grep -ci proxy || true")).await;
    let task = api.finished(&id).await;
    let finished = events_of(&task, "action-finished");
    assert!(finished[0]["result"]["head"].to_string().contains("onnect"), "{task:#}");
    assert_eq!(finished[1]["result"]["head"], "0\n", "{task:#}");
    assert_eq!(events_of(&task, "egress").len(), 0, "{task:#}");
}

#[tokio::test]
async fn one_command_in_the_sandbox_has_the_same_network() {
    let (at, _serving) = server().await;
    let root = tempfile::tempdir().unwrap();
    let setup = set_up(root.path(), &format!("[egress]\nallow_private = [\"{at}\"]\n"));
    let project = root.path().join("workspace");
    std::fs::create_dir(&project).unwrap();
    let workspace = project.to_str().unwrap().to_owned();
    let (run, url) = (setup.clone(), format!("http://{at}/"));
    let ended = tokio::task::spawn_blocking(move || {
        let script = format!("curl -sS {url} && curl -sS http://evil.example/");
        run.run(&["sandbox", "--workspace", &workspace, "--", "sh", "-c", &script])
    })
    .await
    .unwrap();
    assert!(ended.stdout.starts_with("served"), "{ended:?}");
    assert!(ended.stderr.contains("network: refused: tried evil.example:80"), "{ended:?}");
}

#[test]
fn an_entry_that_means_too_much_is_an_error_before_anything_starts() {
    for (egress, why) in [
        ("allow = [\"*.com\"]", "top-level domain"),
        ("allow = [\"127.0.0.1\"]", "allow_private"),
        ("presets = [\"everything\"]", "no such preset"),
        ("allow_private = [\"10.0.0.1\"]", "with its port"),
    ] {
        let root = tempfile::tempdir().unwrap();
        let setup = set_up(root.path(), &format!("[egress]\n{egress}\n"));
        let ended = setup.run(&["config", "check"]);
        assert_ne!(ended.code, Some(0), "{egress}: {ended:?}");
        assert!(ended.stderr.contains(why), "{egress}: {ended:?}");
    }
}
