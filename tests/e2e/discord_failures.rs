//! Failures that a bot on Discord must survive, by the numbers of `telegram_failures`, each with the
//! real binary against a strict server.
//!
//! | number | what goes wrong |
//! |---|---|
//! | 3, 4 | a gateway that went dead, health that lies |
//! | 5, 6, 12–15 | messages while down, redelivery, edits, gaps too long to resume, deaf threads |
//! | 21–28, 32 | wrong person, old button, two presses, late press, restart, long commands |
//! | 36–39 | presses too late, tokens that run out, an endpoint that swallows presses |
//! | 40–42, 45–47 | pauses, lost answers, long texts, secrets, orphaned cards, large files |

use std::time::Duration;

use gatepost_e2e::discord::BOUND;
use gatepost_e2e::discord::CHANNEL;
use gatepost_e2e::discord::Fault;
use gatepost_e2e::discord::Message;
use gatepost_e2e::discord::world::ANN;
use gatepost_e2e::discord::world::BOB;
use gatepost_e2e::discord::world::World;
use gatepost_e2e::world::tasks;

const SEND: &str = "post /channels/{}/messages";
const EDIT: &str = "patch /channels/{}/messages/{}";
const CALLBACK: &str = "post /interactions/{}/{}/callback";

#[tokio::test]
async fn failure_13_14_5_6_a_gap_that_cannot_be_resumed_is_read_once_and_never_again() {
    let world = World::new().await;
    let gatepost = world.up().await;
    let api = gatepost.api();
    world.chat.says(ANN, BOUND, "$ echo before");
    world.result("succeeded").await;
    tasks(&api, 1).await;

    // What a resumed session repeats is heard once.
    world.chat.cut_off();
    world.chat.says(ANN, BOUND, "$ echo resumed");
    world.chat.calls_bot(ANN, CHANNEL, "$ echo by name");
    tasks(&api, 3).await;
    assert_eq!(world.chat.sessions(), 1, "the session goes on");

    // A session that nobody can resume: the gap is read over HTTP.
    world.chat.let_in(false);
    world.chat.forget_sessions();
    let thread = world.chat.messages().iter().find(|m| m.has("Continue")).unwrap().channel;
    world.chat.says(ANN, BOUND, "$ echo missed");
    world.chat.says(ANN, thread, "$ echo missed in a thread");
    // Where it takes its name it is read as well, once the bot was spoken to there.
    world.chat.calls_bot(ANN, CHANNEL, "$ echo missed by name");
    world.chat.says(ANN, CHANNEL, "$ echo for nobody");
    world.chat.let_in(true);
    world.chat.session(2).await;
    tasks(&api, 5).await;
    let went_on = |m: &Message| m.channel == thread && m.text.contains("echo missed in a thread");
    world.chat.message("task that goes on", went_on).await;
    world.chat.invalidate(false);
    world.chat.session(3).await;
    let read = world.chat.calls("get /channels/{}/messages");
    assert!(read >= 4, "each session reads what it missed: {read}");
    assert_eq!(tasks(&api, 5).await.len(), 5, "and takes nothing twice");
    world.check(&gatepost);

    // The same over a life of the process, killed without a word.
    gatepost.kill_9();
    world.chat.new_life();
    world.chat.said(ANN, BOUND, "$ echo while dead", Duration::ZERO);
    world.chat.said(ANN, BOUND, "$ echo days ago", Duration::from_secs(26 * 3600));
    let gatepost = world.up().await;
    let api = gatepost.api();
    let all = tasks(&api, 6).await;
    assert!(all.iter().any(|task| task["text"] == "$ echo while dead"), "{all:#?}");
    world.check(&gatepost);
}

#[tokio::test]
async fn failure_3_4_a_gateway_that_went_dead_is_noticed_and_made_anew() {
    let world = World::new().await;
    world.chat.beat_every(Duration::from_millis(400));
    let gatepost = world.up().await;
    world.chat.answer_beats(false);
    world
        .chat
        .wait("notice", || gatepost.log().contains("a heartbeat was not answered").then_some(()))
        .await;
    world.chat.answer_beats(true);
    world.chat.listens().await;
    for code in [4000, 4009, 1001] {
        world.chat.close(code);
        world.chat.listens().await;
    }
    world.chat.ask_to_reconnect();
    world.chat.says(ANN, BOUND, "$ echo still here");
    world.result("succeeded").await;
    world.check(&gatepost);
}

#[tokio::test]
async fn failure_12_15_edits_are_told_apart_and_a_thread_out_of_the_archive_is_joined() {
    let world = World::new().await;
    let gatepost = world.up().await;
    let asked = world.chat.says(ANN, BOUND, "$ echo https://example.org");
    let result = world.result("succeeded").await;
    let thread = result.channel;
    let archived = || world.chat.thread(thread).filter(|(_, archived)| *archived);
    world.chat.wait("archived thread", archived).await;
    // Discord unfolds a link; nobody changed a word.
    world.chat.unfolds(BOUND, asked);
    world.chat.edits(BOUND, asked, "$ echo something else");
    let go_by = |m: &Message| m.text.contains("as you first sent them");
    world.chat.message("word on the edit", go_by).await;
    assert_eq!(world.chat.messages().iter().filter(|m| go_by(m)).count(), 1);

    world.chat.archives(thread, true);
    assert!(!world.chat.is_in(thread));
    world.chat.archives(thread, false);
    world.chat.wait("thread that is joined", || world.chat.is_in(thread).then_some(())).await;
    world.chat.says(ANN, thread, "$ echo go on");
    let went_on = |m: &Message| m.channel == thread && m.text.contains("echo go on");
    world.chat.message("task that goes on", went_on).await;
    // A thread that somebody deleted loses nothing: what is still to be said is said elsewhere.
    world.chat.says(ANN, BOUND, "$ touch .git/hooks/x");
    let question = world.question().await;
    world.chat.deletes_thread(question.channel);
    world.chat.says(ANN, CHANNEL, "noise");
    let status = world.chat.commands(ANN, BOUND, "approvals", &[]);
    let follows = world.chat.acked(status).await.follows.unwrap();
    let list = world.chat.message("list", |m| m.reply_to == Some(follows)).await;
    assert!(list.text.contains("1 question is open"), "{}", list.text);
    world.check(&gatepost);
}

#[tokio::test]
async fn failures_21_22_24_25_32_each_press_counts_once_for_its_own_question_and_the_right_person()
{
    let world = World::new().await;
    let gatepost = world.up().await;
    world.chat.says(ANN, BOUND, "$ touch .git/hooks/one\n$ touch .git/hooks/two");
    let first = world.question().await;
    let bob = world.chat.press(BOB, &first, "Approve once");
    assert!(world.chat.told(bob).await.contains("Only an approver"));
    // Twice at once: one wins, and both are told the same.
    let presses = [(); 2].map(|()| world.chat.press(ANN, &first, "Approve once"));
    for press in presses {
        let told = world.chat.told(press).await;
        assert!(told.contains("approved"), "{told}");
    }
    let second = world.chat.message("second", |m| m.id > first.id && m.has("Approve once")).await;
    // The old button speaks of its own question only.
    let old = world.chat.press(ANN, &first, "Deny");
    assert!(world.chat.told(old).await.contains("approved by discord:2001"));
    world.says(&second, "touch .git/hooks/two").await;
    assert!(world.chat.messages().iter().any(|m| m.id == second.id && m.has("Approve once")));

    // Several at once are picked from a menu.
    let list = world.chat.commands(ANN, BOUND, "approvals", &[]);
    let follows = world.chat.acked(list).await.follows.unwrap();
    let list = world.chat.message("list", |m| m.reply_to == Some(follows)).await;
    let label = list.picks[0].0.clone();
    let pick = world.chat.pick(ANN, &list, &label);
    assert_eq!(world.chat.told(pick).await, "Here it comes.");
    // It comes into its thread anew, for everybody who reads along there.
    let again = |m: &Message| m.id > list.id && m.has("Approve once");
    let second = world.chat.message("the question again", again).await;
    let all = world.chat.press(ANN, &list, "Deny all");
    assert!(world.chat.told(all).await.contains("denied"));
    world.settled(&second).await;
    world.check(&gatepost);
}

#[tokio::test]
async fn failures_26_46_a_restart_keeps_questions_answerable_and_cards_true() {
    let world = World::new().await;
    let gatepost = world.up().await;
    world.chat.says(ANN, BOUND, "$ touch .git/hooks/x");
    let question = world.question().await;
    gatepost.kill_9();
    world.chat.new_life();
    let gatepost = world.setup.up();
    world.chat.session(2).await;
    let press = world.chat.press(ANN, &question, "Approve once");
    let told = world.chat.told(press).await;
    assert!(told.contains("approved"), "{told}");
    let settled = world.settled(&question).await;
    assert!(settled.text.contains("approved by discord:2001"), "{}", settled.text);
    world.result("succeeded").await;
    world.check(&gatepost);
}

#[tokio::test]
async fn failures_36_37_38_an_answer_comes_in_time_or_nothing_is_done() {
    let world = World::new().await;
    let gatepost = world.up().await;
    world.chat.says(ANN, BOUND, "$ touch .git/hooks/one\n$ sleep 1\n$ touch .git/hooks/two");
    let question = world.question().await;
    // Too late for Discord: whoever pressed was told that it failed, and so it did.
    let late = world.chat.press_long_ago(ANN, &question, "Approve once");
    world
        .chat
        .wait("notice", || gatepost.log().contains("could not be acknowledged").then_some(()))
        .await;
    assert_eq!(world.chat.done(late).acked, None);
    assert!(world.chat.messages().iter().any(|m| m.id == question.id && m.has("Approve once")));

    // The acknowledgement does not wait for a slow server behind it, nor is it lost with an answer.
    world.chat.order(CALLBACK, Fault::Cut, 1);
    world.chat.order(CALLBACK, Fault::Down(502), 1);
    let press = world.chat.press(ANN, &question, "Approve once");
    let done = world.chat.acked(press).await;
    assert!(done.acked.unwrap().1 < Duration::from_secs(3));
    assert_eq!(world.chat.told(press).await, "approved once, and the agent goes on");
    // Discord tells of it once more, and it is done once.
    world.chat.repeats(press, &question, "Approve once");

    // The tokens of all presses are over; cards are brought up to date all the same.
    world.chat.tokens_run_out();
    let second =
        world.chat.message("second", |m| m.id > question.id && m.has("Approve once")).await;
    let settled = world.settled(&question).await;
    assert!(settled.text.contains("approved by discord:2001"), "{}", settled.text);
    let press = world.chat.press(ANN, &second, "Deny");
    assert!(world.chat.told(press).await.contains("denied"));
    world.check(&gatepost);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failure_39_an_endpoint_that_swallows_presses_is_found_before_anybody_waits() {
    let world = World::new().await;
    world.chat.set_endpoint("https://elsewhere.example/interactions");
    let setup = world.setup.run(&["setup", "discord"]);
    assert_eq!(setup.code, Some(2), "{}{}", setup.stdout, setup.stderr);
    assert!(setup.stderr.contains("no press and no command would arrive"), "{}", setup.stderr);
    let doctor = world.setup.run(&["doctor"]).stdout;
    assert!(doctor.contains("Interactions Endpoint URL is set"), "{doctor}");
    world.chat.assert_clean();
}

#[tokio::test]
async fn failures_40_41_pauses_are_kept_to_their_end_and_lost_answers_double_nothing() {
    let world = World::new().await;
    let gatepost = world.up().await;
    world.chat.order(SEND, Fault::LoseAnswer, 1);
    world.chat.order(SEND, Fault::Cut, 1);
    world.chat.order(SEND, Fault::Down(503), 1);
    world.chat.order(SEND, Fault::Pause(700, "user"), 1);
    world.chat.order(EDIT, Fault::Pause(700, "shared"), 1);
    world.chat.order(EDIT, Fault::Pause(500, "global"), 1);
    world.chat.order("post /channels/{}/messages/{}/threads", Fault::LoseAnswer, 1);
    world.chat.says(ANN, BOUND, "$ touch .git/hooks/x");
    let question = world.question().await;
    let press = world.chat.press(ANN, &question, "Approve once");
    world.chat.told(press).await;
    world.result("succeeded").await;
    world.settled(&question).await;
    let messages = world.chat.messages();
    for message in messages.iter().filter(|message| message.only_for.is_none()) {
        let same = |m: &&Message| m.text == message.text && m.only_for.is_none();
        assert_eq!(messages.iter().filter(same).count(), 1, "said twice: {message:#?}");
    }
    world.check(&gatepost);
}

#[tokio::test]
async fn failures_28_42_45_47_long_texts_secrets_and_large_files() {
    let world = World::new().await;
    let gatepost = world.up().await;
    let tail = "echo the-very-end";
    let long = format!("$ touch .git/hooks/x; echo '{}'; {tail}", "_*~`|<@1> ".repeat(400));
    world.chat.says(ANN, BOUND, &long);
    let question = world.question().await;
    assert!(
        question.text.contains(tail) && question.text.contains("left out"),
        "{}",
        question.text
    );
    let whole = world.chat.message("whole action", |m| !m.files.is_empty()).await;
    let whole = String::from_utf8(whole.files[0].1.clone()).unwrap();
    assert!(whole.contains(tail) && whole.len() > 4000, "{} bytes", whole.len());
    let press = world.chat.press(ANN, &question, "Deny");
    world.chat.told(press).await;

    let outbox = "$ mkdir -p .gatepost-outbox\n\
                  $ head -c 11000000 /dev/urandom > .gatepost-outbox/large.bin\n\
                  $ echo token=ghp_aBcDeFgHiJkLmNoPqRsTuVwXyZ0123456789 > .gatepost-outbox/s.txt";
    world.chat.says(ANN, BOUND, outbox);
    let small = world.chat.message("small file", |m| m.files.iter().any(|f| f.0 == "s.txt")).await;
    let text = String::from_utf8(small.files[0].1.clone()).unwrap();
    assert!(!text.contains("ghp_aBcDeF"), "{text}");
    let said = world.chat.message("true word", |m| m.text.contains("is not sent")).await;
    assert!(said.text.contains("takes no more than 10"), "{}", said.text);
    assert!(!world.chat.messages().iter().any(|m| m.files.iter().any(|f| f.0 == "large.bin")));

    // A server that takes more says so with what people do there.
    world.chat.takes_files_of(50 << 20);
    let list = world.chat.commands(ANN, BOUND, "tasks", &[]);
    world.chat.acked(list).await;
    world.chat.says(ANN, BOUND, outbox);
    let large = |m: &Message| m.files.iter().any(|f| f.0 == "large.bin" && f.1.len() == 11_000_000);
    world.chat.message("large file", large).await;
    world.check(&gatepost);
}
