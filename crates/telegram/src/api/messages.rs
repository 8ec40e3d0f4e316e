//! Messages, files and answers to presses.

use std::time::Duration;

use gatepost_chat::rich::Rich;
use gatepost_desk::place::Chat;
use gatepost_desk::place::MessageId;
use gatepost_desk::surface::File;
use gatepost_desk::surface::Key;
use gatepost_desk::surface::Row;
use gatepost_desk::surface::To;
use gatepost_desk::surface::Under;
use reqwest::multipart::Form;
use reqwest::multipart::Part;
use teloxide::payloads::AnswerCallbackQuery;
use teloxide::payloads::AnswerCallbackQuerySetters;
use teloxide::payloads::EditMessageText;
use teloxide::payloads::EditMessageTextSetters;
use teloxide::payloads::SendMessage;
use teloxide::payloads::SendMessageSetters;
use teloxide::requests::Payload;
use teloxide::types::CallbackQueryId;
use teloxide::types::ForceReply;
use teloxide::types::InlineKeyboardButton;
use teloxide::types::InlineKeyboardMarkup;
use teloxide::types::LinkPreviewOptions;
use teloxide::types::Message;
use teloxide::types::ReplyParameters;

use super::Api;
use super::Done;
use super::Trouble;
use super::call::json;
use super::call::number_of_message;
use crate::entities::rendered;
use crate::numbers::chat_id;
use crate::numbers::message_id;
use crate::numbers::thread_id;

/// How many buttons of a kind stand in one row, so that a phone shows their labels.
const A_ROW: usize = 3;

/// A toast may have this many characters
/// (<https://core.telegram.org/bots/api#answercallbackquery>).
const TOAST: usize = 200;

/// The pauses after which an answer to a press is tried again; the reader's program waits for about
/// ten seconds.
const TOAST_AGAIN: [Duration; 3] =
    [Duration::from_millis(200), Duration::from_millis(500), Duration::from_millis(1500)];

/// The largest file that a bot may send, in bytes
/// (<https://core.telegram.org/bots/api#sending-files>).
const LARGEST_FILE: usize = 50 * 1024 * 1024;

impl Api {
    /// Sends a message; its number.
    pub(crate) async fn send(&self, to: To, rich: &Rich, under: &Under) -> Done<i32> {
        let (text, entities) = rendered(rich);
        let mut request = SendMessage::new(chat_id(to.chat)?, self.token.cover(text))
            .link_preview_options(no_preview())
            .disable_notification(to.silent);
        if !entities.is_empty() {
            request = request.entities(entities);
        }
        if let Some(thread) = to.thread {
            request = request.message_thread_id(thread_id(thread)?);
        }
        if let Some(reply) = to.reply {
            request = request.reply_parameters(reply_to(reply)?);
        }
        match under {
            Under::Nothing => {}
            Under::Rows(rows) => request = request.reply_markup(keyboard(rows)),
            Under::Reply => request = request.reply_markup(ForceReply::new().selective()),
        }
        match self.message(&request).await {
            // The words matter more than how they look.
            Err(Trouble::NotParsed(why)) if !rich.spans().is_empty() => {
                tracing::warn!(%why, "telegram could not parse a message; it goes out plain");
                Box::pin(self.send(to, &Rich::new().plain(rich.text()), under)).await
            }
            other => other,
        }
    }

    /// Changes a message. An edit without keys takes the keys away.
    pub(crate) async fn edit(
        &self,
        chat: Chat,
        message: MessageId,
        rich: &Rich,
        under: &Under,
    ) -> Done<()> {
        let (text, entities) = rendered(rich);
        let text = self.token.cover(text);
        let mut request = EditMessageText::new(chat_id(chat)?, message_id(message)?, text)
            .link_preview_options(no_preview());
        if !entities.is_empty() {
            request = request.entities(entities);
        }
        if let Under::Rows(rows) = under {
            request = request.reply_markup(keyboard(rows));
        }
        match self.message(&request).await {
            Ok(_) | Err(Trouble::NotModified) => Ok(()),
            Err(Trouble::NotParsed(why)) if !rich.spans().is_empty() => {
                tracing::warn!(%why, "telegram could not parse an edit; it goes out plain");
                Box::pin(self.edit(chat, message, &Rich::new().plain(rich.text()), under)).await
            }
            Err(trouble) => Err(trouble),
        }
    }

    /// Sends a file.
    pub(crate) async fn file(&self, to: To, file: File) -> Done<i32> {
        let File { name, bytes, about } = file;
        let content = match String::from_utf8(bytes) {
            Ok(text) => self.token.cover(text).into_bytes(),
            Err(binary) => binary.into_bytes(),
        };
        if content.len() > LARGEST_FILE {
            // Known before it is sent, and said in words that help.
            let megabytes = content.len() / (1024 * 1024);
            return Err(Trouble::TooLarge(format!(
                "the file has {megabytes} MB, and Telegram takes no more than 50 from a bot"
            )));
        }
        let mut form = Form::new()
            .text("chat_id", chat_id(to.chat)?.to_string())
            .text("caption", about)
            .text("disable_notification", to.silent.to_string())
            .text("disable_content_type_detection", "true")
            .part("document", Part::bytes(content).file_name(name));
        if let Some(thread) = to.thread {
            form = form.text("message_thread_id", thread_id(thread)?.to_string());
        }
        if let Some(reply) = to.reply {
            form = form.text("reply_parameters", json(&reply_to(reply)?)?);
        }
        number_of_message(self.upload::<Message>("sendDocument", form).await)
    }

    /// Answers a tap. `alert` shows it in a box that must be closed.
    pub(crate) async fn toast(&self, query: &str, text: &str, alert: bool) -> Done<()> {
        let text: String = text.chars().take(TOAST).collect();
        let request = AnswerCallbackQuery::new(CallbackQueryId(query.to_owned()))
            .text(text)
            .show_alert(alert);
        // Somebody looks at the button and waits; doing it twice is doing it once.
        for pause in TOAST_AGAIN {
            match self.call(&request).await {
                Err(Trouble::NotReached(_) | Trouble::Lost(_)) => tokio::time::sleep(pause).await,
                other => return other.map(drop),
            }
        }
        self.call(&request).await.map(drop)
    }

    /// A call that sends or changes a message; the message's number.
    async fn message<P>(&self, request: &P) -> Done<i32>
    where
        P: Payload<Output = Message> + serde::Serialize,
    {
        number_of_message(self.call_or_raw(request).await)
    }
}

fn keyboard(rows: &[Row]) -> InlineKeyboardMarkup {
    let rows = rows.iter().flat_map(|row| match row {
        Row::Keys(keys) => vec![keys.as_slice()],
        // There are no menus under messages.
        Row::Pick { hint: _, keys } => keys.chunks(A_ROW).collect(),
    });
    let button = |key: &Key| InlineKeyboardButton::callback(&key.label, &key.data);
    InlineKeyboardMarkup::new(rows.map(|row| row.iter().map(button)))
}

fn reply_to(message: MessageId) -> Done<ReplyParameters> {
    // People delete messages; what answers them still has to arrive.
    Ok(ReplyParameters::new(message_id(message)?).allow_sending_without_reply())
}

fn no_preview() -> LinkPreviewOptions {
    LinkPreviewOptions {
        is_disabled: true,
        url: None,
        prefer_small_media: false,
        prefer_large_media: false,
        show_above_text: false,
    }
}
