//! What chats need of the hub: one task a message, and notes that outlive a crash.

use gatepost_domain::ChatNote;
use gatepost_domain::Origin;
use gatepost_domain::Principal;
use gatepost_domain::principal::Platform;
use gatepost_domain::request::NewTask;
use gatepost_domain::request::RequestErrorKind;

use crate::world::World;
use crate::world::new_task;

fn origin(message: &str) -> Origin {
    Origin { platform: Platform::Telegram, chat: "1001".into(), message: message.into() }
}

fn by() -> Principal {
    Principal { platform: Platform::Telegram, id: "1001".into() }
}

fn told(id: &str) -> ChatNote {
    ChatNote::StrangerTold { who: Principal { platform: Platform::Telegram, id: id.into() } }
}

#[tokio::test(start_paused = true)]
async fn a_message_delivered_twice_is_one_task_and_one_word_over_restarts_too() {
    let world = World::new();
    let up = world.up();
    let task = NewTask { origin: Some(origin("7")), ..new_task("$ x") };
    let (one, two) =
        tokio::join!(up.hub.submit(by(), task.clone()), up.hub.submit(by(), task.clone()));
    let id = one.unwrap().id;
    assert_eq!(two.unwrap().id, id, "in one batch");
    let say = |up: &crate::world::Up, message: &str| {
        up.hub.message_from(by(), id.clone(), "more".into(), origin(message))
    };
    say(&up, "8").await.unwrap();
    say(&up, "8").await.unwrap();
    up.down().await;

    let up = world.up();
    assert_eq!(up.hub.submit(by(), task.clone()).await.unwrap().id, id);
    say(&up, "8").await.unwrap();
    say(&up, "9").await.unwrap();
    assert_eq!(up.hub.tasks().await.unwrap().len(), 1);
    assert_eq!(up.hub.task(id.clone()).await.unwrap().task.messages().len(), 2);
    let other = NewTask { origin: Some(origin("10")), ..new_task("$ x") };
    assert_ne!(up.hub.submit(by(), other).await.unwrap().id, id);
    up.down().await;
}

#[tokio::test(start_paused = true)]
async fn notes_come_back_in_order_and_those_of_a_task_with_the_task() {
    let world = World::new();
    let up = world.up();
    let id = up.submit("$ x").await;
    let note = |up: &crate::world::Up, task, note| up.hub.note(Platform::Telegram, task, note);
    note(&up, None, told("1")).await.unwrap();
    let sent = ChatNote::Sent { key: "card".into(), chat: "1".into(), message: "2".into() };
    note(&up, Some(id.clone()), sent).await.unwrap();
    note(&up, None, told("2")).await.unwrap();
    let nobody = note(&up, Some("000000".parse().unwrap()), told("3")).await.unwrap_err();
    assert_eq!(nobody.kind, RequestErrorKind::NotFound);
    up.down().await;

    // With the views gone the journal alone brings them back.
    std::fs::remove_dir_all(world.dir.join("views")).unwrap();
    let up = world.up();
    let notes = up.hub.notes(Platform::Telegram).await.unwrap();
    assert_eq!(notes, [told("1"), told("2")]);
    assert!(up.hub.notes(Platform::Discord).await.unwrap().is_empty());
    up.down().await;
    assert_eq!(world.kinds(&id).iter().filter(|kind| **kind == "chat-noted").count(), 1);
}
