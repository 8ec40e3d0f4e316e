//! Discord at the edge: events in, cards out; nothing is decided here.
//!
//! [`gateway`] keeps the connection over which everything comes; [`front`] hands on what is said, in
//! order, and fetches what was said while nobody heard it; [`clicks`] acknowledges what people do
//! with buttons and commands, before anything else; [`surface`] carries out what the desk wants
//! said, over [`api`], which keeps to Discord's pace.
//!
//! INVARIANT (acknowledged first): nothing is looked up before an interaction is acknowledged, and
//! nothing is done about one that was not.
//! INVARIANT (no token): the bot's token is in no log line and no error; see [`Token::scrub`].

mod api;
mod clicks;
mod commands;
mod components;
mod front;
mod gateway;
mod groups;
mod inbound;
mod markdown;
mod memory;
mod pace;
mod probe;
mod rooms;
mod serve;
mod settings;
mod status;
mod surface;
mod token;
mod wire;

pub use api::AddressError;
pub use memory::Memory;
pub use probe::Identity;
pub use probe::ProbeError;
pub use probe::Probed;
pub use probe::offer;
pub use probe::probe;
pub use probe::sees;
pub use serve::Service;
pub use serve::start;
pub use settings::Settings;
pub use status::Health;
pub use status::Status;
pub use token::Token;
pub use token::TokenError;
