//! What goes wrong with questions and their buttons.

use gatepost_e2e::api::events_of;
use gatepost_e2e::telegram::Fault;
use gatepost_e2e::telegram::Message;
use gatepost_e2e::world::ANN;
use gatepost_e2e::world::BOB;
use gatepost_e2e::world::EVE;
use gatepost_e2e::world::GROUP;
use gatepost_e2e::world::RISKY;
use gatepost_e2e::world::World;
use gatepost_e2e::world::has_key;
use gatepost_e2e::world::only_task;
use gatepost_e2e::world::tasks;
use serde_json::Value;

const ASKS: &str = "$ touch .git/hooks/x";

const TOO_OLD: &str =
    "Bad Request: query is too old and response timeout expired or query ID is invalid";

/// A question about this command that can be answered.
async fn question_about(world: &World, command: &str) -> Message {
    let fits = |m: &Message| m.text.contains(command) && has_key(m, "Approve once");
    world.chat.message(command, fits).await
}

fn started(task: &Value) -> usize {
    events_of(task, "action-started").len()
}

fn decided(task: &Value) -> usize {
    events_of(task, "approval-decided").len()
}

#[tokio::test]
async fn failure_21_whoever_is_no_approver_is_refused_and_only_they_hear_it() {
    let world = World::new().await;
    let gatepost = world.setup.up();
    let _ = world.chat.say_in(GROUP, BOB, &format!("@gate_test_bot {ASKS}"));
    let question = world.question().await;
    assert_eq!(question.chat, GROUP);
    let before = world.chat.messages().len();
    let not_bob = world.chat.press(BOB, &question, "Approve once").await;
    assert!(not_bob.alert && not_bob.text.contains("Only an approver"), "{not_bob:?}");
    let not_eve = world.chat.press(EVE, &question, "Deny").await;
    assert!(not_eve.alert && not_eve.text.contains("not yours"), "{not_eve:?}");
    let api = gatepost.api();
    let task = only_task(&api).await;
    let open = api.task(&task).await;
    assert_eq!((open["state"].as_str(), decided(&open)), (Some("awaiting-approval"), 0));
    assert_eq!(world.chat.messages().len(), before, "nobody else hears of it");
    world.check(&gatepost);
}

#[tokio::test]
async fn failure_22_a_button_of_an_earlier_question_settles_only_that_one() {
    let world = World::new().await;
    let gatepost = world.setup.up();
    let _ = world.chat.say(ANN, "$ touch .git/hooks/one\n$ touch .git/hooks/two");
    let first = question_about(&world, "hooks/one").await;
    world.chat.press(ANN, &first, "Approve once").await;
    let second = question_about(&world, "hooks/two").await;
    for label in ["Approve once", "Approve for this task", "Deny"] {
        let old = world.chat.press(ANN, &first, label).await;
        assert!(old.text.starts_with("already approved"), "{label}: {old:?}");
    }
    let api = gatepost.api();
    let task = only_task(&api).await;
    let open = api.task(&task).await;
    assert_eq!((open["state"].as_str(), decided(&open)), (Some("awaiting-approval"), 1));
    world.chat.press(ANN, &second, "Deny").await;
    assert_eq!(started(&api.finished(&task).await), 1);
    world.check(&gatepost);
}

#[tokio::test]
async fn failure_23_words_that_sound_like_consent_decide_nothing() {
    let world = World::new().await;
    let gatepost = world.setup.up();
    let _ = world.chat.say(ANN, ASKS);
    let question = world.question().await;
    let api = gatepost.api();
    let task = only_task(&api).await;
    let words = ["yes", "ok", "do not allow", "approve once", "/approve", "deny", "👍", "y abcde"];
    for text in words {
        let _ = world.chat.reply(ANN, &question, text);
    }
    world.chat.all_taken().await;
    let open = api.task(&task).await;
    assert_eq!((open["state"].as_str(), decided(&open)), (Some("awaiting-approval"), 0));
    // All but the command, which does not exist.
    assert_eq!(events_of(&open, "message-received").len(), words.len() - 1);
    world.check(&gatepost);
}

#[tokio::test]
async fn failure_24_a_double_tap_has_one_winner() {
    let world = World::new().await;
    let gatepost = world.setup.up();
    let _ = world.chat.say(ANN, RISKY);
    let question = world.question().await;
    let (yes, no) = tokio::join!(
        world.chat.press(ANN, &question, "Approve once"),
        world.chat.press(ANN, &question, "Deny"),
    );
    let late = |text: &str| text.starts_with("already ");
    assert!(late(&yes.text) != late(&no.text), "one wins: {yes:?} {no:?}");
    let api = gatepost.api();
    let task = only_task(&api).await;
    let over = api.finished(&task).await;
    assert_eq!(decided(&over), 1);
    let outcome = if late(&yes.text) { "denied" } else { "succeeded" };
    assert_eq!(over["outcome"], outcome, "as they were told: {yes:?} {no:?}");
    world.result(outcome).await;
    world.check(&gatepost);
}

/// A press at about the moment at which the time is up: whoever wins, the toast, the card and the
/// journal say the same.
#[tokio::test]
async fn failure_24_a_tap_that_races_the_timeout_is_told_the_truth() {
    let people = World::people();
    let world = World::with(&format!("[approvals]\ntimeout = \"8s\"\n{people}")).await;
    let gatepost = world.setup.up();
    let api = gatepost.api();
    for (round, early) in [60i64, 10, 0, -40].into_iter().enumerate() {
        let _ = world.chat.say(ANN, &format!("$ touch .git/hooks/r{round}"));
        let newest = tasks(&api, round + 1).await[0]["id"].as_str().unwrap().to_owned();
        let approval = api.approval(&newest).await;
        let question = question_about(&world, &format!("hooks/r{round}")).await;
        let expires: jiff::Timestamp = approval["expires_at"].as_str().unwrap().parse().unwrap();
        let press_at = expires - jiff::SignedDuration::from_millis(early);
        let left = press_at.duration_since(jiff::Timestamp::now());
        tokio::time::sleep(left.try_into().unwrap_or_default()).await;
        let (_, data) = question.keys.iter().find(|(name, _)| name == "Approve once").unwrap();
        let toast = world.chat.press_data(ANN, &question, data).await;
        let over = api.finished(&newest).await;
        let expect = match toast.text.as_str() {
            "expired, not run" => ("denied", 0, "expired, not run"),
            text if text.starts_with("approved once") => ("succeeded", 1, "approved by"),
            other => panic!("neither: {other}"),
        };
        let settled = world.settled(&question).await;
        assert!(settled.text.contains(expect.2), "{toast:?} {}", settled.text);
        assert_eq!((over["outcome"].as_str(), started(&over)), (Some(expect.0), expect.1));
        assert_eq!(decided(&over), 1);
    }
    world.check(&gatepost);
}

#[tokio::test]
async fn failure_25_a_tap_after_the_time_or_after_another_answer_says_so() {
    let people = World::people();
    let world = World::with(&format!("[approvals]\ntimeout = \"12s\"\n{people}")).await;
    let gatepost = world.setup.up();
    let api = gatepost.api();
    let _ = world.chat.say(ANN, "$ touch .git/hooks/one");
    let first = question_about(&world, "hooks/one").await;
    // Answered in the console meanwhile.
    let approval = api.approval(&only_task(&api).await).await;
    assert!(api.answer(&approval, "deny").await.status.is_success());
    let settled = world.settled(&first).await;
    assert!(settled.text.contains("denied by console:"), "{}", settled.text);
    let late = world.chat.press(ANN, &first, "Approve once").await;
    assert!(late.text.starts_with("already denied by console:"), "{late:?}");

    let _ = world.chat.say(ANN, "$ touch .git/hooks/two");
    let second = question_about(&world, "hooks/two").await;
    let settled = world.settled(&second).await;
    assert!(settled.text.contains("expired, not run"), "{}", settled.text);
    let late = world.chat.press(ANN, &second, "Approve once").await;
    assert_eq!(late.text, "expired, not run");
    for task in tasks(&api, 2).await {
        let over = api.finished(task["id"].as_str().unwrap()).await;
        assert_eq!((over["outcome"].as_str(), started(&over)), (Some("denied"), 0));
    }
    world.check(&gatepost);
}

#[tokio::test]
async fn failure_26_a_question_outlives_kill_9_and_is_not_asked_twice() {
    let world = World::new().await;
    let gatepost = world.setup.up();
    let _ = world.chat.say(ANN, RISKY);
    let question = world.question().await;
    gatepost.kill_9();
    let gatepost = world.setup.up();
    gatepost.kill_9();
    let gatepost = world.setup.up();
    let api = gatepost.api();
    let task = only_task(&api).await;
    let open = api.task(&task).await;
    assert_eq!((open["state"].as_str(), started(&open)), (Some("awaiting-approval"), 1));
    let toast = world.chat.press(ANN, &question, "Approve once").await;
    // 27: the run that asked is gone, and the tap says so.
    assert!(toast.text.starts_with("approved, but the run was gone"), "{toast:?}");
    let over = api.finished(&task).await;
    assert_eq!((over["outcome"].as_str(), started(&over)), (Some("succeeded"), 3), "{over:#}");
    world.result("succeeded").await;
    assert_eq!(world.questions(), 1, "the question is not sent again");
    world.check(&gatepost);
}

/// The run is gone: its task was stopped while the question was open.
#[tokio::test]
async fn failure_27_a_tap_for_a_run_that_is_gone_never_says_approved() {
    let world = World::new().await;
    let gatepost = world.setup.up();
    let _ = world.chat.say(ANN, RISKY);
    let question = world.question().await;
    let api = gatepost.api();
    let task = only_task(&api).await;
    let stop = world.chat.press(ANN, &question, "Stop").await;
    assert!(stop.text.ends_with("is being stopped"), "{stop:?}");
    for label in ["Approve once", "Approve for this task"] {
        let late = world.chat.press(ANN, &question, label).await;
        assert!(late.text.contains("withdrawn, not run"), "{late:?}");
    }
    let over = api.finished(&task).await;
    assert_eq!((over["outcome"].as_str(), started(&over)), (Some("cancelled"), 1), "{over:#}");
    let settled = world.settled(&question).await;
    assert!(settled.text.contains("withdrawn, not run"), "{}", settled.text);
    world.check(&gatepost);
}

#[tokio::test]
async fn failure_28_an_action_that_does_not_fit_comes_as_a_file_or_cannot_be_approved() {
    let world = World::new().await;
    let gatepost = world.setup.up();
    let long = format!("$ touch .git/hooks/x # {}THE-END", "long ".repeat(1200));
    world.chat.order("sendDocument", Fault::Refuse(400, "Bad Request: no files here"), 1);
    let _ = world.chat.say(ANN, &long);
    let bare = world.chat.message("question", |message| has_key(message, "Deny")).await;
    assert!(!has_key(&bare, "Approve once"), "{bare:#?}");
    assert!(bare.text.contains("cannot be approved here"), "{}", bare.text);
    let toast = world.chat.press(ANN, &bare, "Deny").await;
    assert_eq!(toast.text, "denied, and the agent was told");
    world.result("denied").await;

    let _ = world.chat.say(ANN, &long);
    let question = world.question().await;
    assert!(question.text.contains("characters left out here"), "{}", question.text);
    assert!(question.text.contains("THE-END"), "the tail is shown: {}", question.text);
    let file = world.chat.message("file", |message| message.document.is_some()).await;
    assert!(file.document.as_ref().is_some_and(|text| text.contains("THE-END")));
    assert!(file.id < question.id, "the file is there before anybody may approve");
    world.check(&gatepost);
}

/// One unit more than a message holds, and one that just fits.
#[tokio::test]
async fn failure_28_the_whole_action_is_in_the_message_as_long_as_it_fits() {
    let world = World::new().await;
    let gatepost = world.setup.up();
    let mut inline = 0;
    let mut filed = 0;
    for length in [3000, 3400, 4200] {
        let head = format!("$ touch .git/hooks/l{length} # ");
        let _ = world.chat.say(ANN, &format!("{head}{} END{length}", "w".repeat(length)));
        let question = question_about(&world, &format!("hooks/l{length}")).await;
        let whole = question.text.contains(&format!("{} END{length}", "w".repeat(length)));
        let file = world.chat.messages().into_iter().find(|message| {
            let words = format!("END{length}");
            message.document.as_ref().is_some_and(|text| text.contains(&words))
        });
        assert!(whole != file.is_some(), "inline or as a file, never in part: {question:#?}");
        inline += usize::from(whole);
        filed += usize::from(file.is_some());
        world.chat.press(ANN, &question, "Deny").await;
    }
    assert!(inline > 0 && filed > 0, "{inline} {filed}");
    world.check(&gatepost);
}

#[tokio::test]
async fn failure_29_what_hides_or_turns_round_in_a_command_is_made_visible() {
    let world = World::new().await;
    let gatepost = world.setup.up();
    let trick = "touch .git/hooks/\u{202e}gpj.x\u{200b} \u{0440}aypal `echo *a* _b_ <i>c</i>`";
    let _ = world.chat.say(ANN, &format!("$ {trick}"));
    let question = world.question().await;
    assert!(question.text.contains("‹U+202E›gpj.x‹U+200B›"), "{}", question.text);
    assert!(!question.text.contains(['\u{202e}', '\u{200b}']), "{}", question.text);
    assert!(question.text.contains("look alike"), "{}", question.text);
    assert!(question.text.contains("`echo *a* _b_ <i>c</i>`"), "nothing is read as a format");
    world.check(&gatepost);
}

/// What an approval binds is shown; that it is void when a bound file changed is shown where a file
/// can be changed under a question, which no chat can do.
#[tokio::test]
async fn failure_30_an_approval_binds_the_bytes_of_the_script_it_runs() {
    let world = World::new().await;
    world.project.write("hook.sh", "echo from-the-script > .git/hooks/x\n");
    world.project.run_git(&["add", "."]);
    world.project.run_git(&["commit", "--quiet", "--message=script"]);
    let gatepost = world.setup.up();
    let _ = world.chat.say(ANN, "$ sh hook.sh && touch .git/hooks/y");
    let question = world.question().await;
    assert!(question.text.contains("Holds only while unchanged"), "{}", question.text);
    assert!(question.text.contains("hook.sh (sha256"), "{}", question.text);
    // A grant for the task is one for these bytes: with others the same words are asked about again,
    // also when the task goes on after its end.
    world.chat.press(ANN, &question, "Approve for this task").await;
    let first = world.result("succeeded").await;
    let _ = world.chat.reply(
        ANN,
        &first,
        "$ sh hook.sh && touch .git/hooks/y\n$ echo 'echo other' > hook.sh\n\
         $ sh hook.sh && touch .git/hooks/y",
    );
    let changed = world
        .chat
        .message("question about other bytes", |m| m.id > question.id && has_key(m, "Approve once"))
        .await;
    assert!(changed.text.contains("hook.sh (sha256"), "{}", changed.text);
    world.chat.press(ANN, &changed, "Deny").await;
    world.result("denied").await;
    world.check(&gatepost);
}

#[tokio::test]
async fn failure_31_for_this_task_means_this_command_and_no_wrapper_of_it() {
    let world = World::new().await;
    let gatepost = world.setup.up();
    let steps = [ASKS, ASKS, "$ env touch .git/hooks/x", "$ sh -c 'touch .git/hooks/x; id'"];
    let _ = world.chat.say(ANN, &steps.join("\n"));
    let first = world.question().await;
    let toast = world.chat.press(ANN, &first, "Approve for this task").await;
    assert!(toast.text.starts_with("approved for this task"), "{toast:?}");
    let wrapped = question_about(&world, "env touch").await;
    assert_eq!(world.questions(), 2, "the same command again is not asked about");
    world.chat.press(ANN, &wrapped, "Approve for this task").await;
    let shell = question_about(&world, "sh -c").await;
    world.chat.press(ANN, &shell, "Deny").await;
    let api = gatepost.api();
    let over = api.finished(&only_task(&api).await).await;
    assert_eq!(started(&over), 3, "{over:#}");
    world.check(&gatepost);
}

/// Two tasks ask the same at once: each question has buttons of its own, and a grant for one is
/// none for its twin, nor an error there.
#[tokio::test]
async fn failures_32_33_several_questions_and_twins_are_each_answered_for_themselves() {
    let world = World::with_two_projects().await;
    let gatepost = world.setup.up();
    let api = gatepost.api();
    // The scratch copy of `other` has no `.git`, so the twins ask about a path that both have.
    let twin = "$ echo x > ci.sh && git push origin main";
    let _ = world.chat.say(ANN, twin);
    let _ = world.chat.say(ANN, &format!("#other {twin}"));
    let both = tasks(&api, 2).await;
    let mut questions = Vec::new();
    for task in &both {
        let id = task["id"].as_str().unwrap().to_owned();
        api.approval(&id).await;
        let of = |m: &Message| m.text.contains(&id) && has_key(m, "Approve once");
        questions.push((id.clone(), world.chat.message("question", of).await));
    }
    assert_ne!(questions[0].1.id, questions[1].1.id, "each is there");
    let (first, second) = (&questions[0], &questions[1]);
    let toast = world.chat.press(ANN, &first.1, "Approve for this task").await;
    assert!(toast.text.starts_with("approved"), "{toast:?}");
    api.finished(&first.0).await;
    assert_eq!(api.task(&second.0).await["state"], "awaiting-approval", "the twin still waits");
    let toast = world.chat.press(ANN, &second.1, "Approve for this task").await;
    assert!(toast.text.starts_with("approved"), "{toast:?}");
    let over = api.finished(&second.0).await;
    assert_eq!(decided(&over), 1, "{over:#}");
    world.check(&gatepost);
}

#[tokio::test]
async fn failure_34_one_can_write_while_a_question_is_open_and_a_denial_redirects() {
    let world = World::new().await;
    let gatepost = world.setup.up();
    let _ = world.chat.say(ANN, ASKS);
    let question = world.question().await;
    let api = gatepost.api();
    let task = only_task(&api).await;
    let _ = world.chat.reply(ANN, &question, "$ echo redirected > r.txt");
    let receipt = |m: &Message| m.text.contains("its question still waits for a button");
    world.chat.message("receipt", receipt).await;
    let toast = world.chat.press(ANN, &question, "Deny with reason").await;
    assert!(toast.text.starts_with("Reply"), "{toast:?}");
    let prompt = world.chat.message("prompt", |message| message.wants_reply).await;
    let _ = world.chat.reply(ANN, &prompt, "yes, but not into the hooks");
    let over = api.finished(&task).await;
    let settlement = &events_of(&over, "approval-decided")[0]["settlement"];
    assert_eq!(settlement["decision"], "deny", "{over:#}");
    assert_eq!(settlement["reason"], "yes, but not into the hooks");
    assert_eq!(events_of(&over, "message-received").len(), 1, "{over:#}");
    world.check(&gatepost);
}

#[tokio::test]
async fn a_reply_to_the_question_is_the_reason_of_a_denial_that_was_begun() {
    let world = World::new().await;
    let gatepost = world.setup.up();
    let _ = world.chat.say(ANN, ASKS);
    let question = world.question().await;
    let api = gatepost.api();
    let task = only_task(&api).await;
    let _ = world.chat.press(ANN, &question, "Deny with reason").await;
    // A crash in between ends neither the denial nor the way to give its reason.
    gatepost.kill_9();
    let gatepost = world.setup.up();
    let api = gatepost.api();
    let _ = world.chat.reply(ANN, &question, "ok, but keep out of the hooks");
    let over = api.finished(&task).await;
    let settlement = &events_of(&over, "approval-decided")[0]["settlement"];
    assert_eq!(settlement["decision"], "deny", "{over:#}");
    assert_eq!(settlement["reason"], "ok, but keep out of the hooks");
    assert_eq!(events_of(&over, "message-received").len(), 0, "{over:#}");
    world.check(&gatepost);
}

#[tokio::test]
async fn failure_35_what_the_terminal_asked_for_does_not_ring_the_phone() {
    let world = World::new().await;
    let gatepost = world.setup.up();
    let api = gatepost.api();
    let task = api.submit(ASKS).await;
    let approval = api.approval(&task).await;
    api.answer(&approval, "deny").await;
    api.finished(&task).await;
    // Had anything been sent, it would have been before this.
    let _ = world.chat.say(ANN, "/who");
    world.chat.message("people", |message| message.text.contains("approver")).await;
    assert_eq!(world.chat.messages().len(), 1, "{:#?}", world.chat.messages());
    world.check(&gatepost);
}

#[tokio::test]
async fn failure_36_a_query_that_is_too_old_to_answer_changes_nothing_else() {
    let world = World::new().await;
    let gatepost = world.setup.up();
    let _ = world.chat.say(ANN, RISKY);
    let question = world.question().await;
    world.chat.order("answerCallbackQuery", Fault::Refuse(400, TOO_OLD), 1);
    let (_, data) = question.keys.iter().find(|(name, _)| name == "Approve once").unwrap();
    let query = world.chat.press_unseen(ANN, &question, data);
    let settled = world.settled(&question).await;
    assert!(settled.text.contains("approved by telegram:1001"), "{}", settled.text);
    world.result("succeeded").await;
    assert_eq!(world.chat.toast_of(&query), None, "nobody saw an answer");
    let late = world.chat.press(ANN, &question, "Approve once").await;
    assert!(late.text.starts_with("already approved"), "{late:?}");
    world.check(&gatepost);
}
