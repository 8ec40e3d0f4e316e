//! Messages and threads.

use std::time::Duration;

use reqwest::Method;
use serde::Serialize;
use serde_json::Value;
use serde_json::json;
use serenity::builder::CreateActionRow;
use serenity::builder::CreateAllowedMentions;
use serenity::builder::CreateEmbed;
use serenity::builder::CreateMessage;
use serenity::builder::CreateThread;
use serenity::builder::EditMessage;
use serenity::builder::EditThread;
use serenity::model::channel::AutoArchiveDuration;
use serenity::model::channel::ChannelType;
use serenity::model::channel::MessageFlags;
use serenity::model::channel::MessageReference;
use serenity::model::channel::MessageReferenceKind;
use serenity::model::channel::Nonce;
use tokio::time::Instant;

use super::Api;
use super::Call;
use super::Done;
use super::Fault;
use super::code;
use super::read_as;
use crate::wire::Channel;
use crate::wire::Id;

/// For so long a message whose answer was lost is sent again with its nonce. Discord drops a second
/// one with the same nonce for “the past few minutes”
/// (<https://discord.com/developers/docs/resources/message#create-message>).
const NONCE_HOLDS: Duration = Duration::from_secs(60);

/// Threads of a day without a word are archived by Discord; one of a task is archived before, when
/// the task is over.
const ARCHIVE_AFTER: AutoArchiveDuration = AutoArchiveDuration::OneDay;

/// A message as it is to look.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    /// Its text, in Discord's Markdown.
    pub(crate) content: String,
    /// What does not fit there, in a box under it.
    pub(crate) embed: Option<String>,
    /// What can be pressed.
    pub(crate) components: Vec<CreateActionRow>,
}

/// How a message is sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sending {
    pub(crate) reply: Option<Id>,
    pub(crate) silent: bool,
    pub(crate) nonce: u64,
}

impl Draft {
    fn embeds(&self) -> Vec<CreateEmbed> {
        self.embed.iter().map(|text| CreateEmbed::new().description(text)).collect()
    }

    /// Links are not unfolded; but a box of one's own is hidden by that flag too.
    fn flags(&self) -> MessageFlags {
        match self.embed {
            None => MessageFlags::SUPPRESS_EMBEDS,
            Some(_) => MessageFlags::empty(),
        }
    }
}

/// Nothing that is written calls anybody, whatever an agent writes.
pub(super) fn nobody() -> CreateAllowedMentions {
    CreateAllowedMentions::new().replied_user(false)
}

impl Api {
    /// Sends a message; its number.
    pub(crate) async fn send(&self, channel: Id, draft: &Draft, how: Sending) -> Done<Id> {
        let message = CreateMessage::new()
            .content(&draft.content)
            .embeds(draft.embeds())
            .components(draft.components.clone());
        let message = how.message(channel, message, draft.flags());
        self.post(&messages(channel).json(&message)).await
    }

    /// Sends a file; the message's number.
    pub(crate) async fn send_file(
        &self,
        channel: Id,
        name: String,
        bytes: Vec<u8>,
        about: &str,
        how: Sending,
    ) -> Done<Id> {
        let message = CreateMessage::new().content(about);
        let message = how.message(channel, message, MessageFlags::SUPPRESS_EMBEDS);
        self.post(&messages(channel).file(&message, name, bytes)).await
    }

    /// Sends what has a nonce: while that holds, a lost answer is not the end.
    async fn post(&self, call: &Call) -> Done<Id> {
        let begun = Instant::now();
        let mut pause = Duration::from_millis(300);
        let mut unsure = None;
        loop {
            let wait = match (self.once(call).await, unsure.take()) {
                (Ok(sent), _) => {
                    let id = sent.get("id").cloned().unwrap_or_default();
                    return read_as(id);
                }
                (Err(fault @ Fault::Lost(_)), _) => {
                    unsure = Some(fault);
                    pause
                }
                // It may be there from an earlier try, so what is said of this one is not enough.
                (Err(Fault::Pause(wait)), Some(fault)) => {
                    unsure = Some(fault);
                    wait
                }
                (Err(Fault::NotReached(_)), Some(fault)) => {
                    unsure = Some(fault);
                    pause
                }
                (Err(fault), _) => return Err(fault),
            };
            if begun.elapsed() + wait > NONCE_HOLDS {
                return Err(unsure.unwrap_or_else(|| Fault::Lost("it took too long".into())));
            }
            tokio::time::sleep(wait).await;
            pause = pause.saturating_mul(2);
        }
    }

    /// Changes a message.
    pub(crate) async fn edit(&self, channel: Id, message: Id, draft: &Draft) -> Done<()> {
        let path = format!("/channels/{channel}/messages/{message}");
        let change = EditMessage::new()
            .content(&draft.content)
            .embeds(draft.embeds())
            .components(draft.components.clone())
            .allowed_mentions(nobody())
            .flags(draft.flags());
        let call = Call::new(Method::PATCH, "PATCH message", channel, path).json(&change);
        self.once(&call).await.map(drop)
    }

    /// The messages after `after`, oldest first, at most a hundred.
    pub(crate) async fn messages_after(&self, channel: Id, after: Id) -> Done<Vec<Value>> {
        let path = format!("/channels/{channel}/messages?after={after}&limit=100");
        let call = Call::new(Method::GET, "GET messages", channel, path);
        let mut found: Vec<Value> = self.typed(&call).await?;
        let id = |message: &Value| {
            message.get("id").and_then(Value::as_str).and_then(|id| id.parse::<Id>().ok())
        };
        found.sort_by_key(id);
        Ok(found)
    }

    /// A channel or thread.
    pub(crate) async fn channel(&self, channel: Id) -> Done<Channel> {
        let path = format!("/channels/{channel}");
        self.typed(&Call::new(Method::GET, "GET channel", channel, path)).await
    }

    /// The channel of the private chat with a person. Asking twice opens it once.
    pub(crate) async fn private_channel(&self, person: Id) -> Done<Id> {
        let call =
            Call::new(Method::POST, "POST private channel", "", "/users/@me/channels".into());
        let call = call.json(&json!({ "recipient_id": person }));
        let channel: Channel = self.typed(&call).await?;
        Ok(channel.id)
    }

    /// Opens a thread from a message, or finds the one that it has: it has the message's number.
    pub(crate) async fn open_thread_at(&self, channel: Id, message: Id, name: &str) -> Done<Id> {
        let path = format!("/channels/{channel}/messages/{message}/threads");
        let call = Call::new(Method::POST, "POST thread at message", channel, path);
        let thread = CreateThread::new(name).auto_archive_duration(ARCHIVE_AFTER);
        match self.patiently(&call.json(&thread)).await {
            Ok(thread) => read_as::<Channel>(thread).map(|thread| thread.id),
            Err(Fault::Refused { code: code::THREAD_EXISTS, .. }) => Ok(message),
            Err(fault) => Err(fault),
        }
    }

    /// Opens a thread that belongs to no message. Doing it twice opens two.
    pub(crate) async fn open_thread(&self, channel: Id, name: &str) -> Done<Id> {
        let path = format!("/channels/{channel}/threads");
        let thread = CreateThread::new(name)
            .auto_archive_duration(ARCHIVE_AFTER)
            .kind(ChannelType::PublicThread);
        let call = Call::new(Method::POST, "POST thread", channel, path).json(&thread);
        read_as::<Channel>(self.once(&call).await?).map(|thread| thread.id)
    }

    /// Gives a thread another name.
    pub(crate) async fn rename_thread(&self, thread: Id, name: &str) -> Done<()> {
        self.change_thread("PATCH thread name", thread, &EditThread::new().name(name)).await
    }

    /// Archives a thread, or takes it out of the archive.
    pub(crate) async fn archive_thread(&self, thread: Id, archived: bool) -> Done<()> {
        self.change_thread("PATCH thread", thread, &EditThread::new().archived(archived)).await
    }

    async fn change_thread(
        &self,
        name: &'static str,
        thread: Id,
        change: &impl Serialize,
    ) -> Done<()> {
        let path = format!("/channels/{thread}");
        let call = Call::new(Method::PATCH, name, thread, path).json(change);
        self.once(&call).await.map(drop)
    }

    /// Joins a thread, to hear what is said in it.
    pub(crate) async fn join_thread(&self, thread: Id) -> Done<()> {
        let path = format!("/channels/{thread}/thread-members/@me");
        self.patiently(&Call::new(Method::PUT, "PUT thread member", thread, path)).await.map(drop)
    }

    /// The threads of a server that are not archived.
    pub(crate) async fn active_threads(&self, guild: Id) -> Done<Vec<Channel>> {
        let path = format!("/guilds/{guild}/threads/active");
        let call = Call::new(Method::GET, "GET active threads", guild, path);
        let answer = self.patiently(&call).await?;
        let threads = answer.get("threads").and_then(Value::as_array).cloned().unwrap_or_default();
        Ok(threads.into_iter().filter_map(|thread| serde_json::from_value(thread).ok()).collect())
    }
}

impl Sending {
    /// The message, sent this way and calling nobody.
    fn message(self, channel: Id, message: CreateMessage, flags: MessageFlags) -> CreateMessage {
        let silent =
            if self.silent { MessageFlags::SUPPRESS_NOTIFICATIONS } else { MessageFlags::empty() };
        let message = message
            .allowed_mentions(nobody())
            .flags(flags | silent)
            .nonce(Nonce::String(self.nonce.to_string()))
            .enforce_nonce(true);
        let Some(reply) = self.reply else { return message };
        // People delete messages; what answers them still has to arrive.
        let answered = MessageReference::new(MessageReferenceKind::Default, channel.of())
            .message_id(reply.of())
            .fail_if_not_exists(false);
        message.reference_message(answered)
    }
}

fn messages(channel: Id) -> Call {
    let path = format!("/channels/{channel}/messages");
    Call::new(Method::POST, "POST message", channel, path)
}
