//! The token is in every address that the bot calls. It is in no log, no error and no file but its
//! own, whatever goes wrong and however much is logged.

use std::path::Path;

use gatepost_e2e::FakeTelegram;
use gatepost_e2e::Project;
use gatepost_e2e::Setup;
use gatepost_e2e::telegram::Attachment;
use gatepost_e2e::telegram::CONFLICT;
use gatepost_e2e::telegram::CONFLICT_WITH_WEBHOOK;
use gatepost_e2e::telegram::Fault;
use gatepost_e2e::telegram::TOKEN;
use gatepost_e2e::world::ANN;

/// Every file below a directory that holds the secret.
fn leaks(dir: &Path, secret: &str, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            leaks(&path, secret, found);
        } else if let Ok(bytes) = std::fs::read(&path)
            && bytes.windows(secret.len()).any(|window| window == secret.as_bytes())
        {
            found.push(path.display().to_string());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_is_nowhere_but_in_its_own_file() {
    let secret = TOKEN.split_once(':').unwrap().1;
    let root = tempfile::tempdir().unwrap();
    let project = Project::git(root.path());
    let chat = FakeTelegram::start().await;
    let config = format!(
        "[projects.demo]\npath = {:?}\n[telegram]\nrequesters = [{ANN}]\napprovers = [{ANN}]\n\
         admins = [{ANN}]\nsilence = \"2s\"\n",
        project.path()
    );
    let plain = Setup::new(root.path())
        .config(&config)
        .env("GATEPOST_LOG", "trace")
        .env("RUST_LOG", "trace")
        .env("RUST_BACKTRACE", "full");
    let setup = plain.clone().env("TELEGRAM_API_URL", &chat.url());
    let mut said = String::new();
    let mut hear = |ended: gatepost_e2e::process::Ended| {
        said.push_str(&ended.stdout);
        said.push_str(&ended.stderr);
    };

    // Set-up and doctor: no server, one that does not know the token, one that fails in each way.
    let with_token = setup.clone().env("TELEGRAM_BOT_TOKEN", TOKEN);
    let nowhere = plain.clone().env("TELEGRAM_BOT_TOKEN", TOKEN);
    let nowhere = nowhere.env("TELEGRAM_API_URL", "http://127.0.0.1:1");
    hear(nowhere.run(&["setup", "telegram"]));
    hear(nowhere.run(&["doctor"]));
    let unknown = format!("701:{secret}");
    hear(setup.clone().env("TELEGRAM_BOT_TOKEN", &unknown).run(&["setup", "telegram"]));
    for fault in [
        Fault::Refuse(401, "Unauthorized"),
        Fault::Refuse(404, "Not Found"),
        Fault::Refuse(403, "Forbidden: bot was blocked by the user"),
        Fault::DownJson(500, "Internal Server Error"),
        Fault::Down(502),
        Fault::Pause(1),
        Fault::LoseAnswer,
        Fault::Cut,
    ] {
        chat.order("*", fault, 1);
        hear(with_token.run(&["doctor", "--json"]));
        chat.order_nothing();
    }
    hear(with_token.run(&["setup", "telegram"]));
    let kept = root.path().join("data/telegram.token");
    assert_eq!(std::fs::read_to_string(&kept).unwrap(), TOKEN);

    // Serving, with the token from the file: each way in which a poll and a call can go wrong.
    let gatepost = setup.up();
    let _ = chat.say(ANN, "$ touch .git/hooks/x");
    let asks = |message: &gatepost_e2e::telegram::Message| {
        message.keys.iter().any(|(label, _)| label == "Deny")
    };
    let question = chat.message("question", asks).await;
    for fault in [
        Fault::Refuse(401, "Unauthorized"),
        Fault::Refuse(404, "Not Found"),
        Fault::Refuse(409, CONFLICT),
        Fault::Refuse(409, CONFLICT_WITH_WEBHOOK),
        Fault::DownJson(500, "Internal Server Error"),
        Fault::Down(502),
        Fault::Pause(1),
        Fault::LoseAnswer,
        Fault::Cut,
        Fault::Wedge,
    ] {
        let before = chat.calls("getUpdates");
        chat.order("getUpdates", fault, 1);
        chat.called("getUpdates", before + 2).await;
    }
    for (method, fault) in [
        ("answerCallbackQuery", Fault::Down(502)),
        ("editMessageText", Fault::LoseAnswer),
        ("editMessageText", Fault::DownJson(500, "Internal Server Error")),
        ("sendMessage", Fault::Cut),
        ("sendMessage", Fault::Refuse(400, "Bad Request: can't parse entities: oh no")),
    ] {
        chat.order(method, fault, 1);
    }
    let _ = chat.press(ANN, &question, "Deny").await;
    chat.message("settled question", |message| {
        message.id == question.id && message.keys.is_empty()
    })
    .await;
    chat.order_nothing();
    let _ = chat.say(ANN, "/who");
    chat.message("answer", |message| message.text.starts_with("You: 1001")).await;
    // It is in the addresses of files too: each way in which fetching one goes wrong, then one that
    // is refused for good and said aloud.
    for fault in [Fault::Down(502), Fault::Cut, Fault::Refuse(404, "Not Found")] {
        chat.order("download", fault, 1);
    }
    let file = Attachment::document("a.txt", "text/plain", b"a");
    let _ = chat.attach(ANN, ANN, &file, "$ true", serde_json::json!({}));
    let sorry = chat
        .message("word about the file", |message| message.text.contains("could not fetch `a.txt`"));
    let sorry = sorry.await;
    assert!(chat.calls("download") >= 3, "each fault was met: {}", sorry.text);
    assert!(chat.messages().iter().all(|message| !message.text.contains(secret)));
    // As a reply quotes it back, should anybody have the idea to send it.
    let _ = chat.say(ANN, "/log");
    chat.all_taken().await;
    said.push_str(&gatepost.log());
    assert_eq!(gatepost.terminate(), Some(0));

    assert!(said.contains("TRACE"), "the log says everything it can");
    assert!(!said.contains(secret), "{}", around(&said, secret));
    let mut found = Vec::new();
    leaks(&root.path().join("data"), secret, &mut found);
    leaks(project.path(), secret, &mut found);
    assert_eq!(found, [kept.display().to_string()]);
}

/// Where it is, for whoever has to mend that.
fn around<'t>(text: &'t str, secret: &str) -> &'t str {
    text.lines().find(|line| line.contains(secret)).unwrap_or_default()
}
