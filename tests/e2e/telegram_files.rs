//! Files and albums: what comes with a message is in the workspace, whole, once, and under a
//! harmless name; what a task leaves for the chat arrives there.
//!
//! Numbers in the names of cases are those of the failures that a bot must survive.

use std::path::Path;
use std::time::Duration;
use std::time::Instant;

use gatepost_e2e::telegram::Attachment;
use gatepost_e2e::telegram::Fault;
use gatepost_e2e::telegram::Message;
use gatepost_e2e::world::ANN;
use gatepost_e2e::world::EVE;
use gatepost_e2e::world::World;
use gatepost_e2e::world::has_key;
use gatepost_e2e::world::only_task;
use gatepost_e2e::world::tasks;
use serde_json::json;

/// Lists the inbox with what is in each file.
const LOOK: &str = "$ cd .gatepost-inbox && for f in *; do echo \"[$f]=$(cat \"$f\")\"; done";

/// What the steps of the only task printed.
async fn printed(gatepost: &gatepost_e2e::Gatepost, task: &str) -> String {
    let task = gatepost.api().get(&format!("/api/tasks/{task}")).await;
    let events = task["events"].as_array().unwrap();
    let heads = events.iter().filter_map(|event| event["result"]["head"].as_str());
    heads.collect::<Vec<_>>().join("\n")
}

fn kept(world: &World) -> usize {
    std::fs::read_dir(world.setup.data_dir().join("files")).map_or(0, Iterator::count)
}

async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < gatepost_e2e::PATIENCE, "{what} took too long");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn says(words: &str) -> impl Fn(&Message) -> bool {
    move |message: &Message| message.text.contains(words)
}

#[tokio::test]
async fn a_file_with_its_caption_is_a_task_and_lies_in_the_inbox_but_never_in_the_project() {
    let world = World::new().await;
    let gatepost = world.setup.up();
    let file = Attachment::document("notes.txt", "text/plain", b"remember the milk");
    let caption = format!("{LOOK}\n$ cp notes.txt ../taken.txt");
    let _sent = world.chat.attach(ANN, ANN, &file, &caption, json!({}));
    let result = world.result("succeeded").await;
    let task = only_task(&gatepost.api()).await;
    let printed = printed(&gatepost, &task).await;
    assert!(printed.contains("[notes.txt]=remember the milk"), "{printed}");
    let diff = gatepost.api().get(&format!("/api/tasks/{task}")).await["diff"].to_string();
    assert!(diff.contains("taken.txt") && !diff.contains("gatepost-inbox"), "{diff}");
    let toast = world.chat.press(ANN, &result, "Apply").await;
    assert!(toast.text.starts_with("applied"), "{toast:?}");
    assert_eq!(world.project.text("taken.txt").as_deref(), Some("remember the milk"));
    assert!(!world.project.path().join(".gatepost-inbox").exists());
    let dir = world.setup.data_dir().join("files");
    let mode = |path: &Path| {
        std::os::unix::fs::PermissionsExt::mode(&path.metadata().unwrap().permissions()) & 0o777
    };
    let one = std::fs::read_dir(&dir).unwrap().next().unwrap().unwrap().path();
    assert_eq!((mode(&dir), mode(&one)), (0o700, 0o600));
    world.check(&gatepost);
}

#[tokio::test]
async fn hostile_names_are_harmless_and_files_of_one_name_are_all_there() {
    let world = World::new().await;
    let gatepost = world.setup.up();
    let names = ["../../.git/hooks/pre-commit", "-rf", "a\u{202e}b c;$(id).sh", "x.txt", "X.txt"];
    let files: Vec<_> = names
        .iter()
        .map(|name| Attachment::document(name, "text/plain", name.as_bytes()))
        .collect();
    let _sent = world.chat.album(ANN, ANN, &files, LOOK);
    let _done = world.result("succeeded").await;
    let printed = printed(&gatepost, &only_task(&gatepost.api()).await).await;
    for line in ["[pre-commit]=..", "[rf]=-rf", "[a_b_c_id_.sh]=", "[x.txt]=x", "[X-2.txt]=X"] {
        assert!(printed.contains(line), "{line} in {printed}");
    }
    assert_eq!(printed.matches("]=").count(), names.len(), "{printed}");
    world.check(&gatepost);
}

#[tokio::test]
async fn a_photo_without_words_reaches_a_task_that_it_answers() {
    let world = World::new().await;
    let gatepost = world.setup.up();
    let _asked = world.chat.say(ANN, "$ touch .git/hooks/x");
    let question = world.question().await;
    let card = world.chat.message("card", |message| has_key(message, "Stop")).await;
    let photo = Attachment::photo(b"pixels");
    let _sent = world.chat.reply_with(ANN, &card, &photo, "");
    let receipt = world.chat.message("receipt", says("with photo.jpg for .gatepost-inbox")).await;
    assert!(receipt.text.starts_with("delivered to the running agent"), "{}", receipt.text);
    let _sent = world.chat.reply_with(ANN, &card, &photo, LOOK);
    let _again = world.chat.message("second receipt", says("with photo-2.jpg")).await;
    let _toast = world.chat.press(ANN, &question, "Approve once").await;
    let _done = world.result("succeeded").await;
    let printed = printed(&gatepost, &only_task(&gatepost.api()).await).await;
    assert!(printed.contains("[photo.jpg]=pixels") && printed.contains("[photo-2.jpg]=pixels"));
    assert_eq!(kept(&world), 1, "one content is kept once");
    world.check(&gatepost);
}

#[tokio::test]
async fn n47_what_is_too_large_is_refused_aloud_before_it_is_fetched() {
    let world = World::new().await;
    let gatepost = world.setup.up();
    let large = Attachment::document("big.iso", "application/x-iso", b"x").of_size(21 << 20);
    let _sent = world.chat.attach(ANN, ANN, &large, "$ ls", json!({}));
    let refusal = world.chat.message("refusal", says("`big.iso` has 21 MB")).await;
    assert!(refusal.text.contains("nothing was started"), "{}", refusal.text);
    let small = Attachment::photo(b"ok");
    let _sent = world.chat.album(ANN, ANN, &[small, large], "$ ls");
    world.chat.all_taken().await;
    let refusals = || world.chat.messages().iter().filter(|m| says("21 MB")(m)).count();
    until("the second refusal", || refusals() == 2).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(gatepost.api().get("/api/tasks").await.as_array().unwrap().len(), 0);
    assert_eq!(world.chat.calls("getFile"), 1, "only the small one was asked for");
    // The album is over, and stays so.
    gatepost.kill_9();
    let gatepost = world.setup.up();
    let _next = world.chat.say(ANN, "$ true");
    let _done = world.result("succeeded").await;
    let _only = only_task(&gatepost.api()).await;
    world.check(&gatepost);
}

#[tokio::test]
async fn a_file_that_cannot_be_fetched_starts_nothing_and_one_that_can_in_the_end_does() {
    let world = World::new().await;
    let gatepost = world.setup.up();
    let file = Attachment::document("a.txt", "text/plain", b"a");
    world.chat.order("getFile", Fault::Refuse(400, "Bad Request: wrong file_id"), 1);
    let _sent = world.chat.attach(ANN, ANN, &file, LOOK, json!({}));
    let held = world.chat.message("held", says("could not fetch `a.txt`")).await;
    assert!(held.text.contains("Nothing was started"), "{}", held.text);
    world.chat.all_taken().await;
    // It stays held through a crash and through another failure, and is then taken once.
    gatepost.kill_9();
    let gatepost = world.setup.up();
    world.chat.order("getFile", Fault::Refuse(400, "Bad Request: wrong file_id"), 1);
    world.chat.press(ANN, &held, "Try again").await;
    world.chat.message("second failure", says("still held")).await;
    world.chat.press(ANN, &held, "Try again").await;
    let _done = world.result("succeeded").await;
    let task = only_task(&gatepost.api()).await;
    assert!(printed(&gatepost, &task).await.contains("[a.txt]=a"));
    world.chat.message("end", says("taken after all")).await;
    // What is refused stays held, and the reason is told.
    world.chat.order("getFile", Fault::Refuse(400, "Bad Request: wrong file_id"), 1);
    let other = Attachment::document("b.txt", "text/plain", b"b");
    let _sent = world.chat.attach(ANN, ANN, &other, "/run @nobody look", json!({}));
    let held = world.chat.message("held", says("could not fetch `b.txt`")).await;
    world.chat.press(ANN, &held, "Try again").await;
    world.chat.message("refusal", says("Refused: ")).await;
    let toast = world.chat.press(ANN, &held, "Drop it").await;
    assert_eq!(toast.text, "dropped; nothing was run");
    world.chat.order("getFile", Fault::Down(502), 1);
    world.chat.order("download", Fault::Cut, 1);
    let _sent = world.chat.attach(ANN, ANN, &file, LOOK, json!({}));
    for task in tasks(&gatepost.api(), 2).await {
        gatepost.api().finished(task["id"].as_str().unwrap()).await;
    }
    world.check(&gatepost);
}

#[tokio::test]
async fn n11_an_album_is_one_task_in_order_with_one_card() {
    let world = World::new().await;
    let gatepost = world.setup.up();
    let photos = [b"1", b"2", b"3"].map(|bytes| Attachment::photo(bytes));
    let sent = world.chat.album(ANN, ANN, &photos, LOOK);
    let _done = world.result("succeeded").await;
    let task = only_task(&gatepost.api()).await;
    let printed = printed(&gatepost, &task).await;
    for line in ["[photo.jpg]=1", "[photo-2.jpg]=2", "[photo-3.jpg]=3"] {
        assert!(printed.contains(line), "{printed}");
    }
    let cards = world.chat.messages();
    let cards = cards.iter().filter(|message| message.reply_to == Some(sent[0])).count();
    assert_eq!(cards, 1, "one card, hanging on the first part");
    world.check(&gatepost);
}

#[tokio::test]
async fn n6_a_crash_between_fetching_and_recording_doubles_and_loses_nothing() {
    let world = World::new().await;
    let gatepost = world.setup.up();
    let file = Attachment::document("a.txt", "text/plain", b"a");
    world.chat.order("getFile", Fault::Wedge, 1);
    let _sent = world.chat.attach(ANN, ANN, &file, LOOK, json!({}));
    world.chat.called("getFile", 1).await;
    gatepost.kill_9();
    assert!(world.chat.unconfirmed() > 0, "it is confirmed only when it is recorded");
    let gatepost = world.setup.up();
    let _done = world.result("succeeded").await;
    let printed = printed(&gatepost, &only_task(&gatepost.api()).await).await;
    assert!(printed.contains("[a.txt]=a"), "{printed}");
    assert_eq!(kept(&world), 1);
    world.check(&gatepost);
}

#[tokio::test]
async fn n11_a_crash_in_the_middle_of_an_album_neither_splits_nor_loses_it() {
    let world = World::new().await;
    let gatepost = world.setup.up();
    let photos = [b"1", b"2", b"3", b"4"].map(|bytes| Attachment::photo(bytes));
    // It dies somewhere between the first part that is recorded and the last.
    let before = world.chat.calls("getFile");
    let sent = world.chat.album(ANN, ANN, &photos, LOOK);
    assert_eq!(sent.len(), 4);
    until("the second part", || world.chat.calls("getFile") >= before + 2).await;
    gatepost.kill_9();
    // What was recorded waits for the rest, however long that is out of reach.
    world.chat.order("getUpdates", Fault::Down(502), 3);
    let gatepost = world.setup.up();
    let _done = world.result("succeeded").await;
    let printed = printed(&gatepost, &only_task(&gatepost.api()).await).await;
    for line in ["[photo.jpg]=1", "[photo-2.jpg]=2", "[photo-3.jpg]=3", "[photo-4.jpg]=4"] {
        assert!(printed.contains(line), "{printed}");
    }
    // Every part delivered once more changes nothing.
    gatepost.kill_9();
    let gatepost = world.setup.up();
    let _next = world.chat.say(ANN, "/tasks");
    world.chat.all_taken().await;
    let _only = only_task(&gatepost.api()).await;
    world.check(&gatepost);
}

#[tokio::test]
async fn strangers_and_forwarded_files_are_not_fetched() {
    let world = World::new().await;
    let gatepost = world.setup.up();
    let file = Attachment::document("a.txt", "text/plain", b"a");
    let _stranger = world.chat.attach(EVE, EVE, &file, "$ ls", json!({}));
    let mut more = gatepost_e2e::telegram::forwarded(EVE);
    more["caption"] = "$ rm -rf .".into();
    let _forwarded = world.chat.attach(ANN, ANN, &file, "", more);
    let _told = world.chat.message("word about it", says("A forwarded message is material")).await;
    world.chat.all_taken().await;
    assert_eq!(world.chat.calls("getFile"), 0);
    assert_eq!(gatepost.api().get("/api/tasks").await.as_array().unwrap().len(), 0);
    world.check(&gatepost);
}

#[tokio::test]
async fn a_voice_note_is_declined_politely_and_starts_nothing() {
    let world = World::new().await;
    let gatepost = world.setup.up();
    let _sent = world.chat.attach(ANN, ANN, &Attachment::voice(b"sound"), "", json!({}));
    let sorry = world.chat.message("answer", says("cannot listen to voice notes")).await;
    assert!(sorry.text.contains("nothing was started"), "{}", sorry.text);
    world.chat.all_taken().await;
    assert_eq!(world.chat.calls("getFile"), 0);
    assert_eq!(gatepost.api().get("/api/tasks").await.as_array().unwrap().len(), 0);
    world.check(&gatepost);
}

#[tokio::test]
async fn what_a_task_leaves_in_its_outbox_is_sent_after_its_result_scrubbed_and_once() {
    let world = World::new().await;
    let gatepost = world.setup.up();
    let secret = "ghp_abcdefghijklmnopqrstuvwxyz0123456789";
    let task = format!(
        "$ mkdir .gatepost-outbox && cd .gatepost-outbox\n$ printf 'token={secret}' > a.txt\n\
         $ printf '\\377\\000bytes' > '../.gatepost-outbox/b bin'\n$ ln -s a.txt link\n\
         $ touch empty\n$ head -c 21000000 /dev/zero > big\n$ echo x > ../changed.txt"
    );
    let _asked = world.chat.say(ANN, &task);
    let result = world.result("succeeded").await;
    for words in ["3 files not sent", "link (not sent: only plain files", "big (not sent: it is l"]
    {
        assert!(result.text.contains(words), "{words} in {}", result.text);
    }
    let sent = |name: &'static str| {
        move |message: &Message| message.file.as_ref().is_some_and(|file| file.name == name)
    };
    let text = world.chat.message("a.txt", sent("a.txt")).await;
    assert!(text.id > result.id && text.text.contains("1 secret in it is masked"), "{text:?}");
    let bytes = text.file.unwrap().bytes;
    assert!(bytes.starts_with(b"token=") && !String::from_utf8_lossy(&bytes).contains(secret));
    let binary = world.chat.message("b_bin", sent("b_bin")).await;
    assert_eq!(binary.file.unwrap().bytes, b"\xff\x00bytes");
    let toast = world.chat.press(ANN, &result, "Apply").await;
    assert!(toast.text.starts_with("applied"), "{toast:?}");
    assert!(!world.project.path().join(".gatepost-outbox").exists());
    assert_eq!(world.project.text("changed.txt").as_deref(), Some("x\n"));
    gatepost.kill_9();
    let gatepost = world.setup.up();
    let _next = world.chat.say(ANN, "/tasks");
    let _list = world.chat.message("list", |message| message.id > binary.id).await;
    assert_eq!(world.chat.calls("sendDocument"), 2, "each is sent once");
    world.check(&gatepost);
}

/// A file that does not come holds up no button, and what was said is still taken in its order.
#[tokio::test]
async fn a_press_overtakes_a_file_that_takes_long_and_words_do_not() {
    let world = World::new().await;
    let gatepost = world.setup.up();
    let _asked = world.chat.say(ANN, "$ touch .git/hooks/a");
    let question = world.question().await;
    world.chat.order("download", Fault::Wedge, 1);
    let file = Attachment::document("notes.txt", "text/plain", b"slow");
    let _sent = world.chat.attach(ANN, ANN, &file, "$ echo second > b.txt", json!({}));
    world.chat.called("getFile", 1).await;
    let _third = world.chat.say(ANN, "$ echo third > c.txt");
    let toast = world.chat.press(ANN, &question, "Deny").await;
    assert!(toast.text.starts_with("denied"), "{toast:?}");
    assert_eq!(tasks(&gatepost.api(), 1).await.len(), 1, "words wait for what was said before");
    gatepost.kill_9();
    let gatepost = world.setup.up();
    let api = gatepost.api();
    let all = tasks(&api, 3).await;
    world.chat.all_taken().await;
    for task in &all {
        api.finished(task["id"].as_str().unwrap()).await;
    }
    let texts: Vec<_> = all.iter().rev().map(|task| task["text"].as_str().unwrap()).collect();
    assert_eq!(texts, ["$ touch .git/hooks/a", "$ echo second > b.txt", "$ echo third > c.txt"]);
    assert_eq!(tasks(&api, 3).await.len(), 3, "each is taken once");
    world.check(&gatepost);
}
