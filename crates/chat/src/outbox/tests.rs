//! Tests of pacing, coalescing and retries.

use proptest::prelude::*;

use super::*;

const PACE: Pace = Pace {
    person: Duration::from_secs(1),
    group: Duration::from_secs(3),
    all: Duration::from_millis(50),
};

fn parcel(chat: &str, slot: &str, urgency: Urgency, content: u32) -> Parcel<u32> {
    Parcel { chat: chat.into(), group: chat.starts_with('-'), slot: slot.into(), urgency, content }
}

fn sent(step: Step<u32>) -> u32 {
    match step {
        Step::Send(parcel) => parcel.content,
        other => panic!("{other:?}"),
    }
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[test]
fn of_many_states_the_last_is_told_and_what_rings_goes_first() {
    let mut outbox = Outbox::new(PACE);
    outbox.push(parcel("1", "card", Urgency::Progress, 1));
    outbox.push(parcel("1", "card", Urgency::Progress, 2));
    outbox.push(parcel("1", "question", Urgency::Loud, 3));
    assert_eq!(sent(outbox.next(ms(0))), 3);
    assert_eq!(outbox.next(ms(0)), Step::Idle, "one at a time");
    outbox.settle("1", Fate::Over, ms(10));
    assert_eq!(outbox.next(ms(10)), Step::Wait(ms(2010)), "progress waits twice the gap");
    assert_eq!(sent(outbox.next(ms(2010))), 2);
    outbox.settle("1", Fate::Over, ms(2020));
    assert!(outbox.is_empty());
}

#[test]
fn a_question_goes_before_the_answers_that_wait() {
    let mut outbox = Outbox::new(PACE);
    outbox.push(parcel("1", "first", Urgency::Loud, 1));
    outbox.push(parcel("1", "second", Urgency::Loud, 2));
    outbox.push(parcel("1", "question", Urgency::Question, 3));
    assert_eq!(sent(outbox.next(ms(0))), 3);
    outbox.settle("1", Fate::Over, ms(0));
    assert_eq!(outbox.next(ms(0)), Step::Wait(ms(1000)), "it is paced like any other");
    assert_eq!(sent(outbox.next(ms(1000))), 1);
    outbox.settle("1", Fate::Over, ms(1000));
    assert_eq!(sent(outbox.next(ms(2000))), 2);
}

#[test]
fn what_a_task_came_to_goes_before_a_crowd_of_receipts_and_after_a_question() {
    let mut outbox = Outbox::new(PACE);
    for receipt in 0..40 {
        outbox.push(parcel("1", &format!("said/{receipt}"), Urgency::Loud, receipt));
    }
    outbox.push(parcel("1", "result", Urgency::Final, 100));
    outbox.push(parcel("1", "question", Urgency::Question, 101));
    for (at, expect) in [(0, 101), (1000, 100), (2000, 0), (3000, 1)] {
        assert_eq!(sent(outbox.next(ms(at))), expect);
        outbox.settle("1", Fate::Over, ms(at));
    }
}

#[test]
fn after_an_earlier_life_a_chat_is_left_alone_for_a_moment() {
    let mut outbox = Outbox::resumed(PACE);
    outbox.push(parcel("1", "a", Urgency::Loud, 1));
    assert_eq!(outbox.next(ms(0)), Step::Wait(PACE.person));
    assert_eq!(sent(outbox.next(PACE.person)), 1);
}

#[test]
fn a_pause_is_kept_to_its_end_and_holds_up_only_its_chat() {
    let mut outbox = Outbox::new(PACE);
    outbox.push(parcel("1", "a", Urgency::Loud, 1));
    assert_eq!(sent(outbox.next(ms(0))), 1);
    outbox.settle("1", Fate::Pause(Duration::from_secs(40)), ms(0));
    outbox.push(parcel("1", "b", Urgency::Loud, 2));
    outbox.push(parcel("2", "c", Urgency::Loud, 3));
    assert_eq!(sent(outbox.next(ms(100))), 3, "another chat goes on");
    assert_eq!(outbox.next(ms(39_999)), Step::Wait(ms(40_000)));
    assert_eq!(sent(outbox.next(ms(40_000))), 1, "in order, and not lost");
}

#[test]
fn what_failed_comes_again_later_and_later_but_an_old_state_does_not() {
    let mut outbox = Outbox::new(PACE);
    outbox.push(parcel("1", "card", Urgency::Loud, 1));
    let mut now = ms(0);
    for _ in 0..3 {
        assert_eq!(sent(outbox.next(now)), 1);
        outbox.settle("1", Fate::Failed, now);
        match outbox.next(now) {
            Step::Wait(at) => now = at,
            other => panic!("{other:?}"),
        }
    }
    assert!(now >= ms(3000), "the pauses grow: {now:?}");
    assert_eq!(sent(outbox.next(now)), 1);
    outbox.push(parcel("1", "card", Urgency::Progress, 2));
    outbox.settle("1", Fate::Failed, now);
    let Step::Wait(at) = outbox.next(now) else { panic!() };
    assert_eq!(sent(outbox.next(at)), 2, "the newer state took its place, and its urgency");
}

#[test]
fn a_chat_that_moved_takes_everything_along() {
    let mut outbox = Outbox::new(PACE);
    outbox.push(parcel("-1", "a", Urgency::Loud, 1));
    outbox.push(parcel("-1", "b", Urgency::Loud, 2));
    assert_eq!(sent(outbox.next(ms(0))), 1);
    outbox.settle("-1", Fate::Moved("-2".into()), ms(0));
    let Step::Send(first) = outbox.next(ms(100)) else { panic!() };
    assert_eq!((first.chat.as_str(), first.content), ("-2", 1));
    assert!(outbox.holds("-2", "b") && !outbox.holds("-1", "b"));
}

proptest! {
    /// Whatever happens, nothing loud is lost, nothing is sent faster than the pace, and no wait
    /// that was asked for is cut short.
    #[test]
    fn loud_is_never_lost_and_the_pace_is_kept(
        steps in prop::collection::vec((0u8..4, 0u8..3, any::<bool>(), 0u64..4000), 1..80),
    ) {
        let mut outbox = Outbox::new(PACE);
        let mut now = Duration::ZERO;
        let mut pushed = 0u32;
        let mut loud: std::collections::BTreeMap<(String, String), u32> = Default::default();
        let mut last: std::collections::BTreeMap<String, Duration> = Default::default();
        let mut any_last: Option<Duration> = None;
        let mut check = |parcel: &Parcel<u32>, now: Duration| {
            let gap = if parcel.group { PACE.group } else { PACE.person };
            if let Some(at) = last.insert(parcel.chat.clone(), now) {
                assert!(now - at >= gap, "too fast in {}", parcel.chat);
            }
            if let Some(at) = any_last.replace(now) {
                assert!(now - at >= PACE.all);
            }
        };
        let chats = ["1", "2", "-3"];
        for (kind, chat, is_loud, wait) in steps {
            now += Duration::from_millis(wait);
            let chat = chats[usize::from(chat)];
            match kind {
                0 | 1 => {
                    pushed += 1;
                    let slot = format!("s{}", pushed % 5);
                    let urgency = if is_loud { Urgency::Loud } else { Urgency::Progress };
                    if is_loud {
                        loud.insert((chat.into(), slot.clone()), pushed);
                    } else if let Some(due) = loud.get_mut(&(chat.into(), slot.clone())) {
                        *due = pushed;
                    }
                    outbox.push(parcel(chat, &slot, urgency, pushed));
                }
                _ => {
                    if let Step::Send(parcel) = outbox.next(now) {
                        check(&parcel, now);
                        let fate = match wait % 3 {
                            0 => Fate::Over,
                            1 => Fate::Failed,
                            _ => Fate::Pause(Duration::from_secs(5)),
                        };
                        if fate == Fate::Over {
                            let key = (parcel.chat.clone(), parcel.slot.clone());
                            if loud.get(&key) == Some(&parcel.content) {
                                loud.remove(&key);
                            }
                        }
                        outbox.settle(&parcel.chat, fate, now);
                    }
                }
            }
        }
        while !outbox.is_empty() {
            match outbox.next(now) {
                Step::Send(parcel) => {
                    check(&parcel, now);
                    let key = (parcel.chat.clone(), parcel.slot.clone());
                    if loud.get(&key) == Some(&parcel.content) {
                        loud.remove(&key);
                    }
                    outbox.settle(&parcel.chat, Fate::Over, now);
                }
                Step::Wait(at) => {
                    prop_assert!(at > now);
                    now = at;
                }
                Step::Idle => prop_assert!(false, "something waits and nothing is due"),
            }
        }
        prop_assert!(loud.is_empty(), "lost: {loud:?}");
    }
}
