//! Voice notes: a program of the owner's turns them into words, and these run when whoever spoke
//! has read them and says so.

use gatepost_e2e::telegram::Attachment;
use gatepost_e2e::telegram::Fault;
use gatepost_e2e::telegram::Message;
use gatepost_e2e::world::ANN;
use gatepost_e2e::world::BOB;
use gatepost_e2e::world::EVE;
use gatepost_e2e::world::World;
use gatepost_e2e::world::has_key;
use gatepost_e2e::world::only_task;
use serde_json::json;

/// The section with a transcriber that "hears" what is in the file, and fails in the ways that the
/// file names.
fn section() -> String {
    let script = r#"read -r first < "$1"
case "$first" in
    fail) exit 3 ;;
    nothing) ;;
    garbage) printf '\377\376\001' ;;
    slow) sleep 600 ;;
    environment) echo "$ true"; env | grep -c -i -e token -e gatepost -e telegram ;;
    *) cat "$1" ;;
esac
exit 0"#;
    format!(
        "{}transcriber = [\"sh\", \"-c\", {}, \"sh\"]\ntranscriber_timeout = \"3s\"\n",
        World::people(),
        serde_json::Value::from(script)
    )
}

fn heard(words: &'static str) -> impl Fn(&Message) -> bool {
    move |message: &Message| {
        message.text.contains(words) && has_key(message, "Run it") && has_key(message, "Drop it")
    }
}

fn says(words: &str) -> impl Fn(&Message) -> bool {
    move |message: &Message| message.text.contains(words)
}

async fn speaks(world: &World, who: i64, words: &str) -> i64 {
    world.chat.attach(who, who, &Attachment::voice(words.as_bytes()), "", json!({}))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_voice_note_runs_when_whoever_spoke_confirms_its_words_and_over_a_crash_too() {
    let world = World::with(&section()).await;
    let gatepost = world.setup.up();
    let spoken = speaks(&world, ANN, "$ echo spoken > spoken.txt\n").await;
    let asks = world.chat.message("transcript", heard("echo spoken > spoken.txt")).await;
    assert_eq!((asks.chat, asks.reply_to), (ANN, Some(spoken)));
    let _ = speaks(&world, ANN, "$ echo unwanted > unwanted.txt").await;
    let unwanted = world.chat.message("second transcript", heard("echo unwanted")).await;
    world.chat.all_taken().await;
    assert_eq!(gatepost.api().get("/api/tasks").await.as_array().unwrap().len(), 0);
    gatepost.kill_9();

    let gatepost = world.setup.up();
    let api = gatepost.api();
    let toast = world.chat.press(BOB, &asks, "Run it").await;
    assert!(toast.alert && toast.text.contains("Only who"), "{toast:?}");
    assert_eq!(api.get("/api/tasks").await.as_array().unwrap().len(), 0);
    let toast = world.chat.press(ANN, &unwanted, "Drop it").await;
    assert_eq!(toast.text, "dropped; nothing was run");
    let toast = world.chat.press(ANN, &asks, "Run it").await;
    assert_eq!(toast.text, "taken");
    let toast = world.chat.press(ANN, &asks, "Run it").await;
    assert!(toast.alert && toast.text.starts_with("Already taken"), "{toast:?}");
    let _done = world.result("succeeded").await;
    let task = api.finished(&only_task(&api).await).await;
    assert_eq!(task["text"], "$ echo spoken > spoken.txt");
    assert_eq!(world.chat.calls("getFile"), 2, "each was listened to once");
    world.check(&gatepost);
}

/// What cannot be fetched is held with a button, and once it is there its words are read before they
/// run: the button that fetched them never runs them.
#[tokio::test(flavor = "multi_thread")]
async fn a_voice_note_that_cannot_be_fetched_is_held_and_heard_later() {
    let world = World::with(&section()).await;
    let gatepost = world.setup.up();
    world.chat.order("getFile", Fault::Refuse(400, "Bad Request: wrong file_id"), 1);
    let _ = speaks(&world, ANN, "$ echo late").await;
    let tries = |message: &Message| has_key(message, "Try again");
    let held = world.chat.message("held", tries).await;
    let (_, fetch) = held.keys.iter().find(|(name, _)| name == "Try again").unwrap().clone();
    gatepost.kill_9();

    let gatepost = world.setup.up();
    let toast = world.chat.press(ANN, &held, "Try again").await;
    assert_eq!(toast.text, "trying again");
    let asks = world.chat.message("transcript", heard("echo late")).await;
    assert_eq!(asks.id, held.id, "in the same message");
    let toast = world.chat.press_data(ANN, &asks, &fetch).await;
    assert!(toast.alert && toast.text.contains("shows its words"), "{toast:?}");
    assert_eq!(gatepost.api().get("/api/tasks").await.as_array().unwrap().len(), 0);
    let toast = world.chat.press(ANN, &asks, "Run it").await;
    assert_eq!(toast.text, "taken");
    let api = gatepost.api();
    let task = api.finished(&only_task(&api).await).await;
    assert_eq!(task["text"], "$ echo late");
    world.check(&gatepost);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_cannot_say_that_somebody_elses_words_were_heard_right() {
    let world = World::with(&section()).await;
    let gatepost = world.setup.up();
    let _ = speaks(&world, BOB, "$ echo bob").await;
    let asks = world.chat.message("transcript", heard("echo bob")).await;
    let toast = world.chat.press(ANN, &asks, "Run it").await;
    assert!(toast.alert && toast.text.contains("Only who spoke"), "{toast:?}");
    assert_eq!(gatepost.api().get("/api/tasks").await.as_array().unwrap().len(), 0);
    let toast = world.chat.press(BOB, &asks, "Run it").await;
    assert_eq!(toast.text, "taken");
    let _only = only_task(&gatepost.api()).await;
    world.check(&gatepost);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transcriber_that_fails_is_said_aloud_and_starts_nothing() {
    let world = World::with(&section()).await;
    let gatepost = world.setup.up();
    for (spoken, answer) in [
        ("fail", "the transcriber failed (exit status: 3)"),
        ("nothing", "heard no words"),
        ("garbage", "is no text"),
        ("slow", "took longer than 3 s and was ended"),
    ] {
        let _ = speaks(&world, ANN, spoken).await;
        let sorry = world.chat.message(spoken, says(answer)).await;
        assert!(sorry.text.contains("Nothing was started"), "{}", sorry.text);
    }
    // Nobody listens to a stranger.
    let before = world.chat.calls("getFile");
    let _ = speaks(&world, EVE, "$ echo eve").await;
    world.chat.all_taken().await;
    assert_eq!(world.chat.calls("getFile"), before);
    let _ = speaks(&world, ANN, "environment").await;
    world.chat.message("what is in its environment", heard("$ true\n0")).await;
    assert_eq!(gatepost.api().get("/api/tasks").await.as_array().unwrap().len(), 0);
    world.check(&gatepost);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transcriber_that_is_not_there_is_named_by_the_check_and_to_whoever_speaks() {
    let missing = format!("{}transcriber = [\"/nowhere/listen\"]\n", World::people());
    let world = World::with(&missing).await;
    let ended = world.setup.run(&["config", "check"]);
    assert!(ended.stderr.contains("`/nowhere/listen` is no program"), "{}", ended.stderr);
    let gatepost = world.setup.up();
    let _ = speaks(&world, ANN, "$ echo x").await;
    let sorry = world.chat.message("answer", says("the transcriber cannot be started")).await;
    assert!(sorry.text.contains("Nothing was started"), "{}", sorry.text);
    assert_eq!(gatepost.api().get("/api/tasks").await.as_array().unwrap().len(), 0);
    world.check(&gatepost);
}
