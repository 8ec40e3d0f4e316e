//! Messages with buttons that belong to no task: a stranger at the door, a message that is held.
//!
//! Like a task's messages they are made when they are sent, noted before and after, and edited when
//! what they are about is settled.

use std::collections::BTreeMap;

use gatepost_chat::copies::Copied;
use gatepost_chat::door::Admit;
use gatepost_chat::door::Door;
use gatepost_chat::held;
use gatepost_chat::held::Kept;
use gatepost_chat::outbox::Parcel;
use gatepost_chat::outbox::Urgency;
use gatepost_chat::rich::Rich;
use gatepost_chat::token::Meaning;
use gatepost_domain::chat::ChatNote;
use gatepost_domain::chat::HeldEnd;
use gatepost_domain::chat::HeldWhy;
use gatepost_domain::principal::Platform;
use gatepost_domain::principal::Principal;
use gatepost_domain::principal::Role;
use gatepost_domain::request::RequestError;

use super::Desk;
use super::Op;
use super::ask::chat_of;
use crate::place::Chat;
use crate::place::MessageId;
use crate::place::Place;
use crate::surface::Key;
use crate::surface::Row;
use crate::surface::To;
use crate::surface::Trouble;
use crate::surface::Under;

/// What a message with buttons is about, if not about a task.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Notice {
    /// Somebody who may do nothing here and wrote.
    Stranger(Principal),
    /// A message that is held until a person says what becomes of it.
    Held(held::Key),
}

/// What is known of them.
#[derive(Debug, Default)]
pub(super) struct Notices {
    pub(super) door: Door,
    pub(super) kept: Kept,
    shown: BTreeMap<(Notice, Chat), Copied<MessageId>>,
}

/// A notice as it should be now.
pub(super) struct Draft {
    pub(super) to: To,
    /// The message that is changed; a new one where there is none.
    pub(super) message: Option<MessageId>,
    pub(super) text: Rich,
    pub(super) under: Under,
}

impl Notice {
    /// What the journal calls its messages.
    fn key(&self) -> String {
        match self {
            Self::Stranger(who) => format!("door:{}", who.id),
            Self::Held((chat, message)) => format!("held:{chat}/{message}"),
        }
    }

    fn of_key(key: &str, platform: Platform) -> Option<Self> {
        if let Some(id) = key.strip_prefix("door:") {
            return Some(Self::Stranger(Principal { platform, id: id.to_owned() }));
        }
        let (chat, message) = key.strip_prefix("held:")?.split_once('/')?;
        Some(Self::Held((chat.to_owned(), message.to_owned())))
    }
}

impl Desk {
    /// Shows the admins somebody who may do nothing here, once.
    pub(super) async fn knock(&mut self, who: &Principal, name: &str) -> Result<(), RequestError> {
        if !self.people.has_admin() {
            return Ok(());
        }
        let at = (self.sources.now)();
        let Some(note) = self.notices.door.knock(who, name, at) else { return Ok(()) };
        self.record(None, note.clone()).await?;
        self.notices.door.recall(&note);
        self.show_door(who);
        Ok(())
    }

    /// Brings the cards about somebody to what is true, in every admin's chat.
    pub(super) fn show_door(&mut self, who: &Principal) {
        let notice = Notice::Stranger(who.clone());
        let waits = self.notices.door.waits(who);
        for chat in self.admins() {
            if waits || self.notices.shown.contains_key(&(notice.clone(), chat)) {
                self.show_notice(&notice, chat);
            }
        }
    }

    pub(super) fn show_notice(&mut self, notice: &Notice, chat: Chat) {
        self.outbox.push(Parcel {
            chat: chat.to_string(),
            group: !chat.is_private(),
            slot: notice.key(),
            urgency: Urgency::Loud,
            content: Op::Notice(notice.clone()),
        });
    }

    /// The private chats of the admins.
    fn admins(&self) -> Vec<Chat> {
        self.people.with(Role::Admin).filter_map(chat_of).collect()
    }

    /// Tells every admin something that is of no task.
    pub(super) fn alert(&mut self, words: &str) {
        for chat in self.admins() {
            self.outbox.push(Parcel {
                chat: chat.to_string(),
                group: !chat.is_private(),
                slot: String::from("alert"),
                urgency: Urgency::Loud,
                content: Op::Say {
                    text: Rich::new().plain(words),
                    reply: None,
                    thread: None,
                    silent: false,
                },
            });
        }
    }

    /// The notice as it should be now; none where there is nothing to say.
    pub(super) fn draft_notice(&mut self, chat: Chat, notice: &Notice) -> Option<Draft> {
        let shown = self.notices.shown.get(&(notice.clone(), chat));
        let message = match shown {
            None => None,
            Some(Copied::There { message, .. }) => Some(*message),
            Some(Copied::Sending | Copied::Unsure | Copied::Refused) => return None,
        };
        let reader = self.reader();
        let (text, open, place) = match notice {
            Notice::Stranger(who) => {
                let text = self.notices.door.card(who, reader)?;
                let place = Place { chat, thread: None, has_threads: false };
                (text, self.notices.door.waits(who), (place, None))
            }
            Notice::Held(key) => {
                let held = self.notices.kept.get(key)?;
                let said = super::late::read(&held.content)?;
                let text = self.notices.kept.card(key, reader)?;
                (text, held.end.is_none(), (said.place, Some(said.message)))
            }
        };
        if !open && message.is_none() {
            // Nobody saw that it was open, so nobody needs to hear how it ended.
            return None;
        }
        let under = if open { self.keys_of(notice) } else { Under::Nothing };
        let (place, reply) = place;
        let to = self.to_place(chat, place.thread, reply, true);
        Some(Draft { to, message, text, under })
    }

    /// The buttons of an open notice. Made at the start too, so that those from before are known.
    fn keys_of(&mut self, notice: &Notice) -> Under {
        let mut rows = Vec::new();
        match notice {
            Notice::Stranger(who) => {
                for admit in Admit::ALL {
                    let meaning = Meaning::Door { who: who.clone(), admit };
                    let data = self.mint.token(meaning).as_str().to_owned();
                    rows.push(Row::Keys(vec![Key::plain(admit.label(), data)]));
                }
            }
            Notice::Held((chat, message)) => {
                let key = (chat.clone(), message.clone());
                let why = self.notices.kept.get(&key).map(|held| held.why).unwrap_or_default();
                let mut row = Vec::new();
                for how in [HeldEnd::Run, HeldEnd::Dropped] {
                    let (chat, message) = (chat.clone(), message.clone());
                    let meaning = match (why, how) {
                        (HeldWhy::Unfetched, HeldEnd::Run) => Meaning::Fetch { chat, message },
                        _ => Meaning::Held { chat, message, how },
                    };
                    let data = self.mint.token(meaning).as_str().to_owned();
                    row.push(Key::plain(held::label(why, how), data));
                }
                rows.push(Row::Keys(row));
            }
        }
        Under::Rows(rows)
    }

    /// A notice is about to be sent as a new message.
    pub(super) async fn sending_notice(
        &mut self,
        notice: &Notice,
        chat: Chat,
    ) -> Result<(), RequestError> {
        let note = ChatNote::Sending { key: notice.key(), chat: chat.to_string() };
        self.record(None, note).await?;
        self.notices.shown.insert((notice.clone(), chat), Copied::Sending);
        Ok(())
    }

    /// A notice is there.
    pub(super) async fn sent_notice(&mut self, notice: &Notice, chat: Chat, message: MessageId) {
        let there = Copied::There { message, print: None };
        self.notices.shown.insert((notice.clone(), chat), there);
        let key = notice.key();
        let note = ChatNote::Sent { key, chat: chat.to_string(), message: message.to_string() };
        if let Err(error) = self.record(None, note).await {
            tracing::warn!(%error, "where a notice is could not be recorded");
        }
        // It may have been settled meanwhile.
        let open = match notice {
            Notice::Stranger(who) => self.notices.door.waits(who),
            Notice::Held(key) => self.notices.kept.get(key).is_some_and(|held| held.end.is_none()),
        };
        if !open {
            self.show_notice(notice, chat);
        }
    }

    /// A notice could not be sent or changed.
    pub(super) fn failed_notice(&mut self, notice: &Notice, chat: Chat, trouble: &Trouble) {
        let key = (notice.clone(), chat);
        let was_new = self.notices.shown.get(&key) == Some(&Copied::Sending);
        match trouble {
            Trouble::Lost(_) if was_new => {
                self.notices.shown.insert(key, Copied::Unsure);
            }
            Trouble::Refused(_) if was_new => {
                self.notices.shown.insert(key, Copied::Refused);
            }
            // It had no effect, and is tried again as a new one.
            _ if was_new => {
                self.notices.shown.remove(&key);
            }
            _ => {}
        }
    }

    /// Takes over what an earlier life noted.
    pub(super) fn recall_notice(&mut self, note: &ChatNote) {
        self.notices.door.recall(note);
        self.notices.kept.recall(note);
        let (key, chat, shown) = match note {
            ChatNote::Sending { key, chat } => (key, chat, Copied::Unsure),
            ChatNote::Sent { key, chat, message } => {
                let Ok(message) = message.parse() else { return };
                (key, chat, Copied::There { message, print: None })
            }
            _ => return,
        };
        if let (Some(notice), Ok(chat)) = (Notice::of_key(key, self.traits.platform), chat.parse())
        {
            self.notices.shown.insert((notice, chat), shown);
        }
    }

    /// Makes the buttons of notices known, and shows what was not shown yet. Those of settled ones
    /// too: a press on an old card hears how it ended.
    pub(super) fn resume_notices(&mut self) {
        let strangers: Vec<_> = self.notices.door.all().cloned().collect();
        for who in strangers {
            let notice = Notice::Stranger(who.clone());
            let _known = self.keys_of(&notice);
            for chat in self.admins() {
                let unseen = !self.notices.shown.contains_key(&(notice.clone(), chat));
                if unseen && self.notices.door.waits(&who) {
                    self.show_notice(&notice, chat);
                }
            }
        }
        let held: Vec<_> =
            self.notices.kept.all().map(|(key, held)| (key.clone(), held.end.is_none())).collect();
        for (key, open) in held {
            let notice = Notice::Held(key.clone());
            let _known = self.keys_of(&notice);
            let Ok(chat) = key.0.parse() else { continue };
            let at = (notice.clone(), chat);
            // A held message that nobody was told of is a lost one: rather told twice.
            if self.notices.shown.get(&at) == Some(&Copied::Unsure) {
                self.notices.shown.remove(&at);
            }
            if open && !self.notices.shown.contains_key(&at) {
                self.show_notice(&notice, chat);
            }
        }
    }

    /// An admin said what becomes of a stranger: the words for who pressed, and whether they are
    /// in a box that must be closed.
    pub(super) async fn admit(
        &mut self,
        by: &Principal,
        who: &Principal,
        admit: Admit,
    ) -> Result<(String, bool), RequestError> {
        if !self.people.is(by, Role::Admin) {
            return Ok(("Only an admin may say that, and you are none.".into(), true));
        }
        if let Some(how) = self.notices.door.settled(who) {
            self.show_door(who);
            return Ok((format!("Already {how}."), true));
        }
        let note = match admit {
            Admit::AsRequester | Admit::AsApprover => {
                let roles = admit.roles();
                ChatNote::Joined { who: who.clone(), roles, by: by.to_string() }
            }
            Admit::Ignore => ChatNote::Ignored { who: who.clone(), by: by.clone() },
        };
        self.record(None, note.clone()).await?;
        self.people.recall(&note);
        self.notices.door.recall(&note);
        self.show_door(who);
        if let (Admit::AsRequester | Admit::AsApprover, Some(chat)) = (admit, chat_of(who)) {
            let roles = gatepost_chat::render::roles(&admit.roles());
            let words = format!("You are in, as {roles}. /help says what I do.");
            let place = Place { chat, thread: None, has_threads: false };
            self.say(place, None, Rich::new().plain(&words));
        }
        Ok((self.notices.door.settled(who).unwrap_or_default(), false))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_is_known_by_its_key() {
        let platform = Platform::Discord;
        let stranger = Notice::Stranger(Principal { platform, id: "7".into() });
        let held = |message: &str| Notice::Held(("-1001".into(), message.into()));
        for notice in [stranger, held("42"), held("7/42")] {
            assert_eq!(Notice::of_key(&notice.key(), platform), Some(notice));
        }
        assert_eq!(Notice::of_key("question:ABC", platform), None);
    }
}
