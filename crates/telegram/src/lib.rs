//! Telegram at the edge: updates in, cards out; nothing is decided here.
//!
//! [`poll`] brings updates in order and confirms each only after the hub has recorded what came of
//! it; [`desk`] is the one owner of what the adapter knows; [`api`] speaks to Telegram.
//!
//! INVARIANT (buttons decide): only a press of an approver on an open question's button approves.
//! INVARIANT (said is true): a message is made from the task's records at the moment it is sent.
//! INVARIANT (no token): the bot's token is in no log line and no error; see [`Token::scrub`].

mod api;
mod desk;
mod entities;
mod inbound;
mod poll;
mod probe;
mod serve;
mod settings;
mod status;
mod token;
mod transcribe;
mod webhook;

pub use api::AddressError;
pub use api::Identity;
pub use api::Webhook;
pub use probe::Group;
pub use probe::ProbeError;
pub use probe::Probed;
pub use probe::groups;
pub use probe::is_polled;
pub use probe::probe;
pub use probe::register;
pub use serve::Service;
pub use serve::StartError;
pub use serve::start;
pub use settings::Settings;
pub use settings::Sources;
pub use settings::WebhookSettings;
pub use status::Health;
pub use status::Status;
pub use token::Token;
pub use token::TokenError;
pub use transcribe::Transcriber;
pub use webhook::WebhookError;
