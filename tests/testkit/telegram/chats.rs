//! Chats: what they are, what the bot may do there, and what it does not get to see.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use super::BOT_NAME;
use super::FakeTelegram;
use super::state::Answer;
use super::state::BOT;
use super::state::State;
use super::state::bot_json;
use super::state::chat_of;
use super::state::now;
use super::state::refused;

/// A group as the bot finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its title.
    pub title: String,
    /// Whether it has topics.
    pub forum: bool,
    /// What the bot is there.
    pub rights: Rights,
}

/// What the bot is in a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rights {
    /// One of many.
    Member,
    /// Allowed more, perhaps topics too.
    Admin {
        /// Whether it may create, rename and close topics.
        topics: bool,
    },
    /// Not there.
    Left,
}

impl Default for Group {
    fn default() -> Self {
        Self { title: "Group".into(), forum: false, rights: Rights::Member }
    }
}

/// What is known of chats.
#[derive(Debug, Default)]
pub(super) struct Chats {
    pub(super) groups: BTreeMap<i64, Group>,
    /// People who have written to the bot; it may not write to others first.
    pub(super) started: BTreeSet<i64>,
    /// Chats where every call is refused with these words.
    forbidden: BTreeMap<i64, String>,
    migrated: BTreeMap<i64, i64>,
    /// Whether the bot sees every message of its groups.
    sees_all: bool,
    private_topics: bool,
}

impl FakeTelegram {
    /// A group is so; it is an ordinary one otherwise.
    pub fn group(&self, chat: i64, group: Group) {
        assert!(chat < 0, "groups have negative numbers");
        self.state().chats.groups.insert(chat, group);
    }

    /// Whether privacy mode is on, as it is for a new bot: then only commands, mentions and replies
    /// reach it in groups where it is no admin.
    pub fn privacy(&self, on: bool) {
        self.state().chats.sees_all = !on;
    }

    /// Private chats with the bot have topics, or not.
    pub fn private_topics(&self, on: bool) {
        self.state().chats.private_topics = on;
    }

    /// From now on the bot is refused in a chat, as when somebody blocked it.
    pub fn forbid(&self, chat: i64, why: &str) {
        self.state().chats.forbidden.insert(chat, why.into());
    }

    /// A person who blocked the bot takes it back, and it is told so
    /// (<https://core.telegram.org/bots/api#chatmemberupdated>).
    pub fn allow(&self, person: i64) {
        let mut state = self.state();
        state.chats.forbidden.remove(&person);
        let (chat, bot) = (state.chat_json(person), bot_json());
        state.push(json!({ "my_chat_member": {
            "chat": chat, "from": super::people::person(person), "date": super::state::now(),
            "old_chat_member": {"status": "kicked", "user": bot, "until_date": 0},
            "new_chat_member": {"status": "member", "user": bot},
        }}));
    }

    /// A group becomes a supergroup with another id: both chats say so, and calls for the old one
    /// are refused from now on.
    pub fn migrate(&self, from: i64, to: i64, by: i64) {
        {
            let mut state = self.state();
            let group = state.chats.groups.get(&from).cloned().unwrap_or_default();
            state.chats.groups.insert(to, group);
            state.chats.migrated.insert(from, to);
        }
        let _told = self.write(from, by, "", json!({ "migrate_to_chat_id": to }));
        let _told = self.write(to, by, "", json!({ "migrate_from_chat_id": from }));
    }
}

impl State {
    pub(super) fn group_of(&self, chat: i64) -> Group {
        self.chats.groups.get(&chat).cloned().unwrap_or_default()
    }

    pub(super) fn is_forum(&self, chat: i64) -> bool {
        chat < 0 && self.group_of(chat).forum
    }

    /// Whether a chat can have topics that the bot makes.
    pub(super) fn has_topics(&self, chat: i64) -> bool {
        if chat > 0 { self.chats.private_topics } else { self.is_forum(chat) }
    }

    /// A chat as messages carry it.
    pub(super) fn chat_json(&self, chat: i64) -> Value {
        if chat > 0 {
            return json!({"id": chat, "type": "private", "first_name": format!("User {chat}")});
        }
        let group = self.group_of(chat);
        // Supergroups have numbers from -100… on.
        let kind = if chat <= -1_000_000 { "supergroup" } else { "group" };
        let mut json = json!({"id": chat, "type": kind, "title": group.title});
        if group.forum {
            json["is_forum"] = true.into();
        }
        json
    }

    pub(super) fn me(&self) -> Value {
        let mut me = bot_json();
        me["can_join_groups"] = true.into();
        me["can_read_all_group_messages"] = self.chats.sees_all.into();
        me["supports_inline_queries"] = false.into();
        me["can_connect_to_business"] = false.into();
        me["has_main_web_app"] = false.into();
        me["has_topics_enabled"] = self.chats.private_topics.into();
        me
    }

    /// Why nothing can be done in a chat.
    pub(super) fn unreachable(&self, chat: i64) -> Option<Answer> {
        if let Some(why) = self.chats.forbidden.get(&chat) {
            return Some(refused(403, why));
        }
        if let Some(to) = self.chats.migrated.get(&chat) {
            return Some(migrated(*to));
        }
        if chat > 0 && !self.chats.started.contains(&chat) {
            return Some(refused(403, "Forbidden: bot can't initiate conversation with a user"));
        }
        if chat < 0 && self.group_of(chat).rights == Rights::Left {
            return Some(refused(403, "Forbidden: bot is not a member of the supergroup chat"));
        }
        None
    }

    /// Whether privacy mode hides a message from the bot.
    pub(super) fn hidden_by_privacy(&self, update: &Value) -> bool {
        let message = ["message", "edited_message"].iter().find_map(|kind| update.get(kind));
        let Some(message) = message else { return false };
        let chat = message["chat"]["id"].as_i64().unwrap();
        let admin = matches!(self.group_of(chat).rights, Rights::Admin { .. });
        if chat > 0 || self.chats.sees_all || admin {
            return false;
        }
        let text = message["text"].as_str().or(message["caption"].as_str()).unwrap_or_default();
        let lower = text.to_lowercase();
        let replied = &message["reply_to_message"];
        let addressed = text.starts_with('/')
            || lower.contains(&format!("@{BOT_NAME}"))
            || (replied["from"]["id"] == BOT && replied.get("forum_topic_created").is_none());
        let service = ["migrate_to_chat_id", "migrate_from_chat_id", "forum_topic_created"]
            .iter()
            .chain(&["forum_topic_closed", "forum_topic_reopened", "forum_topic_edited"])
            .any(|kind| message.get(kind).is_some());
        !addressed && !service
    }

    pub(super) fn get_chat(&self, given: &Map<String, Value>) -> Answer {
        let Some(chat) = chat_of(given) else {
            return refused(400, "Bad Request: chat not found");
        };
        let mut json = self.chat_json(chat);
        json["accent_color_id"] = 1.into();
        json["max_reaction_count"] = 11.into();
        json["accepted_gift_types"] = json!({
            "unlimited_gifts": false, "limited_gifts": false, "unique_gifts": false,
            "premium_subscription": false, "gifts_from_channels": false,
        });
        if chat < 0 {
            json["permissions"] = json!({ "can_send_messages": true });
        }
        Answer::Done(json)
    }

    pub(super) fn get_chat_member(&self, given: &Map<String, Value>) -> Answer {
        let (Some(chat), Some(user)) = (chat_of(given), given["user_id"].as_i64()) else {
            return refused(400, "Bad Request: invalid user_id specified");
        };
        if user != BOT {
            let user = json!({"id": user, "is_bot": false, "first_name": format!("User {user}")});
            return Answer::Done(json!({ "status": "member", "user": user }));
        }
        Answer::Done(match self.group_of(chat).rights {
            Rights::Member => json!({ "status": "member", "user": bot_json() }),
            Rights::Left => json!({ "status": "left", "user": bot_json() }),
            Rights::Admin { topics } => json!({
                "status": "administrator", "user": bot_json(), "can_be_edited": false,
                "is_anonymous": false, "can_manage_chat": true, "can_delete_messages": true,
                "can_manage_video_chats": false, "can_restrict_members": false,
                "can_promote_members": false, "can_change_info": false, "can_invite_users": false,
                "can_post_stories": false, "can_edit_stories": false, "can_delete_stories": false,
                "can_pin_messages": true, "can_manage_topics": topics,
            }),
        })
    }
}

pub(super) fn migrated(to: i64) -> Answer {
    Answer::Refused {
        code: 400,
        text: "Bad Request: group chat was upgraded to a supergroup chat".into(),
        parameters: Some(json!({ "migrate_to_chat_id": to })),
    }
}

/// A message that the bot can no longer see.
pub(super) fn inaccessible(chat: &Value, id: i64) -> Value {
    json!({ "chat": chat, "message_id": id, "date": 0 })
}

/// When a forwarded message was written.
pub(super) fn a_while_ago() -> u64 {
    now() - 3600
}
