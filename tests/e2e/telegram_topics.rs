//! One topic for each task: opened, renamed and closed with it, and survived when it is not there.
//!
//! Numbers in the names of cases are those of the failures that a bot must survive.

use std::time::Duration;
use std::time::Instant;

use gatepost_e2e::telegram::Fault;
use gatepost_e2e::telegram::Group;
use gatepost_e2e::telegram::Message;
use gatepost_e2e::telegram::Rights;
use gatepost_e2e::telegram::Topic;
use gatepost_e2e::world::ANN;
use gatepost_e2e::world::GROUP;
use gatepost_e2e::world::RISKY;
use gatepost_e2e::world::World;
use gatepost_e2e::world::has_key;
use gatepost_e2e::world::only_task;

/// A world whose group is a forum in which the bot may manage topics.
async fn forum() -> World {
    let world = World::new().await;
    let rights = Rights::Admin { topics: true };
    world.chat.group(GROUP, Group { forum: true, rights, ..Group::default() });
    world
}

/// Waits for a topic that fits.
async fn topic(world: &World, chat: i64, what: &str, fits: impl Fn(&Topic) -> bool) -> Topic {
    let begun = Instant::now();
    loop {
        let topics = world.chat.topics(chat);
        if let Some(found) = topics.iter().find(|topic| fits(topic)) {
            return found.clone();
        }
        assert!(begun.elapsed() < gatepost_e2e::PATIENCE, "no topic {what} in {topics:#?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn of_task(message: &Message) -> bool {
    has_key(message, "Stop") || has_key(message, "Continue") || has_key(message, "Approve once")
}

#[tokio::test]
async fn a_task_of_a_forum_lives_in_a_topic_that_shows_how_it_stands_and_is_closed_at_its_end() {
    let world = forum().await;
    let gatepost = world.setup.up();
    let asked = world.chat.say_in(GROUP, ANN, &format!("@gate_test_bot {RISKY}"));
    let question = world.question().await;
    let open = topic(&world, GROUP, "waiting", |topic| topic.name.starts_with('❓')).await;
    assert!(open.name.contains("echo one"), "{open:?}");
    assert_eq!(question.thread, Some(open.thread));
    let pointer = world
        .chat
        .message("pointer", |message| message.text.contains("has a topic of its own"))
        .await;
    assert_eq!((pointer.thread, pointer.reply_to), (None, Some(asked)));
    let _toast = world.chat.press(ANN, &question, "Approve once").await;
    let result = world.result("succeeded").await;
    assert_eq!(result.thread, Some(open.thread));
    let closed = topic(&world, GROUP, "closed", |topic| topic.closed).await;
    assert!(closed.name.starts_with('✅') && closed.thread == open.thread, "{closed:?}");

    // Going on opens it again, and the next task stays in it.
    let _toast = world.chat.press(ANN, &result, "Continue").await;
    let prompt = world
        .chat
        .message("prompt", |message| message.text.contains("what should happen next"))
        .await;
    assert_eq!(prompt.thread, Some(open.thread));
    let _next = world.chat.reply(ANN, &result, "$ echo more");
    let second = world
        .chat
        .message("second result", |message| {
            has_key(message, "Continue") && message.id > result.id && message.thread.is_some()
        })
        .await;
    assert_eq!(second.thread, Some(open.thread));
    let again = topic(&world, GROUP, "closed again", |topic| topic.closed).await;
    assert_eq!((again.thread, world.chat.topics(GROUP).len()), (open.thread, 1));
    assert_eq!(world.chat.calls("createForumTopic"), 1);
    world.check(&gatepost);
}

#[tokio::test]
async fn in_a_private_chat_with_topics_words_in_a_tasks_topic_speak_to_the_task() {
    let world = World::new().await;
    world.chat.private_topics(true);
    let gatepost = world.setup.up();
    let _asked = world.chat.say(ANN, "$ touch .git/hooks/x");
    let question = world.question().await;
    let thread = question.thread.expect("it has a topic");
    let _more = world.chat.say_in_topic(ANN, ANN, thread, "$ echo more");
    let receipt = world
        .chat
        .message("receipt", |message| message.text.starts_with("delivered to the running agent"))
        .await;
    assert_eq!(receipt.thread, Some(thread));
    let _toast = world.chat.press(ANN, &question, "Approve once").await;
    let _done = world.result("succeeded").await;
    let _only = only_task(&gatepost.api()).await;
    let _named = topic(&world, ANN, "done", |topic| topic.name.starts_with('✅')).await;
    assert_eq!(world.chat.calls("closeForumTopic"), 0, "private topics cannot be closed");
    // Another task gets another topic.
    let _other = world.chat.say(ANN, "$ echo other");
    let _two = topic(&world, ANN, "of its own", |topic| topic.thread != thread).await;
    world.check(&gatepost);
}

#[tokio::test]
async fn a_task_that_was_asked_for_in_a_topic_stays_there() {
    let world = forum().await;
    let thread = world.chat.open_topic(GROUP, ANN, "Ideas");
    let gatepost = world.setup.up();
    let _asked = world.chat.say_in_topic(GROUP, ANN, thread, "@gate_test_bot $ echo hi");
    let result = world.result("succeeded").await;
    assert_eq!(result.thread, Some(thread));
    // General is the absence of a topic, and the topic of somebody else is left as it is.
    assert_eq!(world.chat.topics(GROUP).len(), 1);
    assert_eq!(world.chat.topics(GROUP)[0].name, "Ideas");
    world.check(&gatepost);
}

#[tokio::test]
async fn n17_a_deleted_topic_is_survived_and_the_rest_is_said_in_the_chat() {
    let world = forum().await;
    let gatepost = world.setup.up();
    let _asked = world.chat.say_in(GROUP, ANN, &format!("@gate_test_bot {RISKY}"));
    let question = world.question().await;
    let thread = question.thread.expect("it has a topic");
    world.chat.delete_topic(GROUP, thread);
    gatepost.kill_9();
    let gatepost = world.setup.up();
    let again = world
        .chat
        .message("question in the chat", |message| {
            has_key(message, "Approve once") && message.thread.is_none()
        })
        .await;
    let _toast = world.chat.press(ANN, &again, "Approve once").await;
    let result = world.result("succeeded").await;
    assert_eq!(result.thread, None);
    assert!(world.chat.topics(GROUP).is_empty(), "none is opened in its place");
    // No error every second: what was refused once is not tried again.
    let renames = world.chat.calls("editForumTopic");
    let sends = world.chat.calls("sendMessage");
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(world.chat.calls("editForumTopic"), renames);
    assert_eq!(world.chat.calls("sendMessage"), sends);
    world.check(&gatepost);
}

#[tokio::test]
async fn a_topic_whose_answer_was_lost_is_not_opened_twice() {
    let world = forum().await;
    let gatepost = world.setup.up();
    world.chat.order("createForumTopic", Fault::LoseAnswer, 1);
    let asked = world.chat.say_in(GROUP, ANN, &format!("@gate_test_bot {RISKY}"));
    let question = world.question().await;
    assert_eq!(question.thread, None, "it goes on in a chain of replies");
    let card = world.chat.message("card", |message| message.reply_to == Some(asked)).await;
    assert_eq!(card.thread, None);
    gatepost.kill_9();
    let gatepost = world.setup.up();
    let _toast = world.chat.press(ANN, &question, "Approve once").await;
    let _done = world.result("succeeded").await;
    assert_eq!(world.chat.calls("createForumTopic"), 1);
    assert_eq!(world.chat.topics(GROUP).len(), 1);
    world.check(&gatepost);
}

#[tokio::test]
async fn a_restart_knows_the_topic_of_each_task() {
    let world = forum().await;
    let gatepost = world.setup.up();
    let _asked = world.chat.say_in(GROUP, ANN, &format!("@gate_test_bot {RISKY}"));
    let question = world.question().await;
    gatepost.kill_9();
    let gatepost = world.setup.up();
    let _toast = world.chat.press(ANN, &question, "Approve once").await;
    let result = world.result("succeeded").await;
    assert!(result.thread.is_some() && result.thread == question.thread);
    let _closed = topic(&world, GROUP, "closed", |topic| topic.closed).await;
    assert_eq!(world.chat.calls("createForumTopic"), 1);
    world.check(&gatepost);
}

#[tokio::test]
async fn without_the_right_to_topics_or_the_wish_for_them_tasks_are_chains_of_replies() {
    let world = World::new().await;
    world.chat.group(
        GROUP,
        Group { forum: true, rights: Rights::Admin { topics: false }, ..Group::default() },
    );
    let gatepost = world.setup.up();
    let asked = world.chat.say_in(GROUP, ANN, "@gate_test_bot $ echo hi");
    let result = world.result("succeeded").await;
    assert_eq!(result.thread, None);
    let mut cards = world.chat.messages();
    cards.retain(|message| message.reply_to == Some(asked));
    assert_eq!(cards.len(), 1, "{cards:#?}");
    let _again = world.chat.say_in(GROUP, ANN, "@gate_test_bot $ echo again");
    let _second = world
        .chat
        .message("second result", |message| of_task(message) && message.id > result.id)
        .await;
    assert_eq!(world.chat.calls("createForumTopic"), 1, "it is not asked for again and again");
    world.check(&gatepost);

    let plain = World::with(&format!("{}topics = false\n", World::people())).await;
    plain.chat.private_topics(true);
    let gatepost = plain.setup.up();
    let _asked = plain.chat.say(ANN, "$ echo hi");
    let result = plain.result("succeeded").await;
    assert_eq!((result.thread, plain.chat.calls("createForumTopic")), (None, 0));
    plain.check(&gatepost);
}
