//! What the desk wants done, done on Discord.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use gatepost_chat::outbox::Pace;
use gatepost_chat::rich::Rich;
use gatepost_desk::inbound::PressId;
use gatepost_desk::inbound::Waiting;
use gatepost_desk::place::Chat;
use gatepost_desk::place::MessageId;
use gatepost_desk::place::ThreadId;
use gatepost_desk::surface::Answer;
use gatepost_desk::surface::Doing;
use gatepost_desk::surface::Done;
use gatepost_desk::surface::File;
use gatepost_desk::surface::Surface;
use gatepost_desk::surface::To;
use gatepost_desk::surface::Traits;
use gatepost_desk::surface::Trouble;
use gatepost_desk::surface::Under;
use gatepost_domain::principal::Platform;

use crate::api::Ack;
use crate::api::Acked;
use crate::api::Api;
use crate::api::Draft;
use crate::api::Fault;
use crate::api::Handle;
use crate::api::Sending;
use crate::api::Unfetched;
use crate::api::code;
use crate::components::Forms;
use crate::front::KEEPS;
use crate::markdown;
use crate::wire::Id;

/// Between two messages to a chat, and between any two: a channel takes five in five seconds and a
/// bot 50 in one (<https://discord.com/developers/docs/topics/rate-limits>). These only keep the
/// order calm; what holds is what Discord's answers say.
const PACE: Pace = Pace {
    person: Duration::from_millis(500),
    group: Duration::from_millis(500),
    all: Duration::from_millis(25),
};

/// The largest file that a bot may send anywhere, in bytes
/// (<https://discord.com/developers/docs/reference#uploading-files>). Where servers take more, that is
/// said with what people do there.
const LARGEST_FILE: u64 = 10 << 20;

/// Characters of a command that are shown for everybody to see what was asked.
const ECHO: usize = 300;

/// The largest file that is fetched, in bytes; people who pay send up to 500 MB.
const FETCH: u64 = 100 << 20;

/// Characters of a thread's name, in all and for what a task is called
/// (<https://discord.com/developers/docs/resources/channel#start-thread-from-message>).
const NAME: usize = 100;
const TITLE: usize = 60;

/// A pause before a new name of a thread that is not waited for: the name after that says more.
const NAME_PAUSE: Duration = Duration::from_secs(5);

/// Characters of an answer that only whoever pressed sees.
const ASIDE: usize = 1500;

/// Discord, as the desk writes to it. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Discord {
    api: Api,
    /// Locked for a look and never over a wait; whoever hears a press needs the form behind it.
    forms: Arc<Mutex<Forms>>,
    /// The channels of private chats. Found out again whenever they are not known.
    private: Arc<Mutex<BTreeMap<u64, Id>>>,
    /// Chats that take larger files than all do, each with its limit in bytes.
    limits: Arc<Mutex<BTreeMap<Chat, u64>>>,
}

/// What Discord is like.
pub(crate) fn traits() -> Traits {
    Traits {
        platform: Platform::Discord,
        name: "Discord",
        thread: "thread",
        pace: PACE,
        text: markdown::LIMIT,
        fetch: FETCH,
        thread_name: TITLE,
        private_threads: false,
        keeps: Some(KEEPS),
    }
}

impl Discord {
    pub(crate) fn new(api: Api) -> Self {
        Self { api, forms: Arc::default(), private: Arc::default(), limits: Arc::default() }
    }

    /// The forms behind buttons that were sent.
    pub(crate) fn forms(&self) -> MutexGuard<'_, Forms> {
        self.forms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The channel of the private chat with a person is this one.
    pub(crate) fn met(&self, person: u64, channel: Id) {
        self.private().insert(person, channel);
    }

    /// A chat takes files of so many bytes now.
    pub(crate) fn takes_files(&self, chat: Chat, limit: u64) {
        let mut limits = self.limits();
        if limit > LARGEST_FILE {
            limits.insert(chat, limit);
        } else {
            limits.remove(&chat);
        }
    }

    fn largest_file(&self, chat: Chat) -> u64 {
        self.limits().get(&chat).copied().unwrap_or(LARGEST_FILE)
    }

    fn limits(&self) -> MutexGuard<'_, BTreeMap<Chat, u64>> {
        self.limits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn private(&self) -> MutexGuard<'_, BTreeMap<u64, Id>> {
        self.private.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The channel that a chat, or a thread of it, is.
    async fn channel(&self, chat: Chat, thread: Option<ThreadId>) -> Result<Id, Fault> {
        match (thread, chat) {
            (Some(ThreadId(thread)), _) => Ok(Id(thread)),
            (None, Chat::Group(channel)) => Ok(Id(channel)),
            (None, Chat::Person(person)) => {
                if let Some(known) = self.private().get(&person).copied() {
                    return Ok(known);
                }
                let channel = self.api.private_channel(Id(person)).await?;
                self.met(person, channel);
                Ok(channel)
            }
        }
    }

    fn draft(&self, text: &Rich, under: &Under) -> Draft {
        let markdown::Shown { content, embed } = markdown::shown(text);
        let token = self.api.token();
        Draft {
            content: token.cover(content),
            embed: embed.map(|text| token.cover(text)),
            components: self.forms().under(under),
        }
    }
}

impl Surface for Discord {
    fn send(&self, to: To, text: Rich, under: Under) -> Doing<MessageId> {
        let discord = self.clone();
        Box::pin(async move {
            let sent = async {
                let channel = discord.channel(to.chat, to.thread).await?;
                let draft = discord.draft(&text, &under);
                discord.api.send(channel, &draft, sending(to)).await
            };
            sent.await.map(|id| message(to.thread, id)).map_err(|fault| trouble(fault, to.thread))
        })
    }

    fn edit(&self, chat: Chat, message: MessageId, text: Rich, under: Under) -> Doing<()> {
        let discord = self.clone();
        Box::pin(async move {
            let changed = async {
                let channel = discord.channel(chat, message.thread).await?;
                let draft = discord.draft(&text, &under);
                let id = Id(message.number);
                match discord.api.edit(channel, id, &draft).await {
                    // A task's last word may come after its thread was archived, and goes there all
                    // the same.
                    Err(Fault::Refused { code: code::ARCHIVED, .. }) => {
                        discord.api.archive_thread(channel, false).await?;
                        let changed = discord.api.edit(channel, id, &draft).await;
                        if let Err(fault) = discord.api.archive_thread(channel, true).await {
                            tracing::debug!(%fault, "a thread stays out of the archive");
                        }
                        changed
                    }
                    other => other,
                }
            };
            changed.await.map_err(|fault| trouble(fault, message.thread))
        })
    }

    fn file(&self, to: To, file: File) -> Doing<MessageId> {
        let discord = self.clone();
        Box::pin(async move {
            let File { name, bytes, about } = file;
            let bytes = match String::from_utf8(bytes) {
                Ok(text) => discord.api.token().cover(text).into_bytes(),
                Err(binary) => binary.into_bytes(),
            };
            let largest = discord.largest_file(to.chat);
            if bytes.len() as u64 > largest {
                let (has, most) = (bytes.len() >> 20, largest >> 20);
                return Err(Trouble::TooLarge(format!(
                    "the file has {has} MB, and Discord takes no more than {most} from a bot here"
                )));
            }
            let about = markdown::escaped(&about);
            let sent = async {
                let channel = discord.channel(to.chat, to.thread).await?;
                discord.api.send_file(channel, name, bytes, &about, sending(to)).await
            };
            sent.await.map(|id| message(to.thread, id)).map_err(|fault| trouble(fault, to.thread))
        })
    }

    fn fetch(&self, file: Waiting, most: u64) -> Doing<Vec<u8>> {
        let discord = self.clone();
        Box::pin(async move {
            let large = || Trouble::TooLarge(format!("the file has more than {most} bytes"));
            if file.size.is_some_and(|size| size > most) {
                return Err(large());
            }
            let bytes = discord.api.fetch(&file.id, most).await.map_err(|why| match why {
                Unfetched::TooLarge => large(),
                Unfetched::Fault(fault) => trouble(fault, None),
            })?;
            match file.size {
                // A connection that ends early looks like the end of a file without a length.
                Some(size) if size != bytes.len() as u64 => {
                    Err(Trouble::Lost(format!("{} bytes came of {size}", bytes.len())))
                }
                Some(_) | None => Ok(bytes),
            }
        })
    }

    fn answer(&self, press: PressId, answer: Answer) -> Doing<()> {
        let discord = self.clone();
        Box::pin(async move {
            let handle = unsealed(&press)?;
            let short: String = answer.text.chars().take(ASIDE).collect();
            let said = discord.api.say_aside(&handle, &markdown::escaped(&short)).await;
            said.map_err(|fault| trouble(fault, None))
        })
    }

    fn echo(&self, press: PressId, text: String) -> Doing<()> {
        let discord = self.clone();
        Box::pin(async move {
            let handle = unsealed(&press)?;
            let short: String = text.trim().chars().take(ECHO).collect();
            let filled = discord.api.fill(&handle, &markdown::escaped(&short)).await;
            filled.map_err(|fault| trouble(fault, None))
        })
    }

    fn suggest(&self, press: PressId, fits: Vec<String>) -> Doing<()> {
        let discord = self.clone();
        Box::pin(async move {
            let handle = unsealed(&press)?;
            match discord.api.acknowledge(&handle, &Ack::Fits(fits)).await {
                Acked::Yes(_) => Ok(()),
                Acked::Elsewhere => Err(Trouble::Refused("it was answered elsewhere".into())),
                Acked::TooLate(why) => Err(Trouble::Refused(why)),
            }
        })
    }

    fn open_thread(&self, chat: Chat, name: String, asked: Option<MessageId>) -> Doing<ThreadId> {
        let discord = self.clone();
        Box::pin(async move {
            let Chat::Group(channel) = chat else {
                return Err(Trouble::Refused("a private chat has no threads".into()));
            };
            let (channel, name) = (Id(channel), cut(&name));
            // From the message that asked it is found again, however often it is asked for.
            let opened = match asked.filter(|asked| asked.thread.is_none()) {
                Some(asked) => discord.api.open_thread_at(channel, Id(asked.number), &name).await,
                None => discord.api.open_thread(channel, &name).await,
            };
            opened.map(|id| ThreadId(id.0)).map_err(|fault| trouble(fault, None))
        })
    }

    fn rename_thread(&self, _chat: Chat, thread: ThreadId, name: String) -> Doing<()> {
        let discord = self.clone();
        Box::pin(async move {
            match discord.api.rename_thread(Id(thread.0), &cut(&name)).await {
                Err(Fault::Pause(pause)) if pause > NAME_PAUSE => Err(Trouble::Refused(format!(
                    "discord gives this thread no other name for {} s",
                    pause.as_secs()
                ))),
                other => other.map_err(|fault| trouble(fault, Some(thread))),
            }
        })
    }

    fn close_thread(&self, _chat: Chat, thread: ThreadId, closed: bool) -> Doing<()> {
        let discord = self.clone();
        Box::pin(async move {
            let done = discord.api.archive_thread(Id(thread.0), closed).await;
            done.map_err(|fault| trouble(fault, Some(thread)))
        })
    }
}

fn sending(to: To) -> Sending {
    Sending { reply: to.reply.map(|it| Id(it.number)), silent: to.silent, nonce: to.nonce }
}

/// A message is found by its channel, and a thread is one.
pub(crate) fn message(thread: Option<ThreadId>, id: Id) -> MessageId {
    MessageId { thread, number: id.0 }
}

fn unsealed(press: &PressId) -> Done<Handle> {
    Handle::unsealed(&press.0).ok_or_else(|| Trouble::Refused("it cannot be answered".into()))
}

fn cut(name: &str) -> String {
    name.chars().take(NAME).collect()
}

fn trouble(fault: Fault, thread: Option<ThreadId>) -> Trouble {
    match fault {
        Fault::Pause(pause) => Trouble::Pause(pause),
        Fault::BadToken => Trouble::NotReached("the token is not valid".into()),
        Fault::NotReached(why) => Trouble::NotReached(why),
        Fault::Lost(why) => Trouble::Lost(why),
        Fault::Refused { code, text } => match code {
            code::UNKNOWN_CHANNEL if thread.is_some() => Trouble::NoThread(text),
            code::ARCHIVED | code::LOCKED => Trouble::ThreadClosed(text),
            code::TOO_LARGE => Trouble::TooLarge(text),
            _ => Trouble::Refused(text),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chat_takes_what_was_last_said_of_it_and_never_less_than_all_chats_do() {
        let token = crate::Token::parse("700.abc.SECRETSECRET").unwrap();
        let discord = Discord::new(Api::new(token, Some("http://127.0.0.1:1")).unwrap());
        let chat = Chat::Group(4002);
        assert_eq!(discord.largest_file(chat), LARGEST_FILE);
        discord.takes_files(chat, 50 << 20);
        assert_eq!(discord.largest_file(chat), 50 << 20);
        assert_eq!(discord.largest_file(Chat::Group(1)), LARGEST_FILE);
        discord.takes_files(chat, 1 << 20);
        assert_eq!(discord.largest_file(chat), LARGEST_FILE);
    }

    #[test]
    fn refusals_that_mean_something_are_told_apart() {
        let refused = |code, thread| trouble(Fault::Refused { code, text: "x".into() }, thread);
        let thread = Some(ThreadId(5));
        assert_eq!(refused(10003, thread), Trouble::NoThread("x".into()));
        assert_eq!(refused(10003, None), Trouble::Refused("x".into()));
        assert_eq!(refused(50083, thread), Trouble::ThreadClosed("x".into()));
        assert_eq!(refused(40005, None), Trouble::TooLarge("x".into()));
        assert!(trouble(Fault::BadToken, None).had_no_effect());
    }
}
