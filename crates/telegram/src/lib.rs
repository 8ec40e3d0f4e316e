//! Telegram at the edge: updates in, cards out; nothing is decided here.
//!
//! [`poll`] brings updates in order and confirms each only after the hub has recorded what came of
//! it; `gatepost-desk` owns what is known and says what is said; [`surface`] carries that out, and
//! [`api`] speaks to Telegram.
//! INVARIANT (no token): the bot's token is in no log line and no error; see [`Token::scrub`].

mod api;
mod entities;
mod inbound;
mod numbers;
mod poll;
mod probe;
mod serve;
mod settings;
mod status;
mod surface;
mod token;
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
pub use settings::WebhookSettings;
pub use status::Health;
pub use status::Status;
pub use token::Token;
pub use token::TokenError;
pub use webhook::WebhookError;
