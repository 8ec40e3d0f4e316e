//! Language models over HTTP, whatever the provider.
//!
//! [`Endpoint`] says where a model is and where its key is kept; the key itself is read at the
//! moment it is used and is a [`Secret`]. [`Client`] asks one model: [`Client::reply`] for a whole
//! answer, [`Client::turn`] for one that is shown as it comes.

pub mod budget;
mod client;
mod endpoint;
mod error;
pub mod meter;
pub mod proxy;
mod secret;
mod sse;
mod talk;
mod wire;

pub use client::Client;
pub use client::Patience;
pub use client::Turn;
pub use endpoint::Api;
pub use endpoint::BaseUrlError;
pub use endpoint::CONTEXT;
pub use endpoint::Endpoint;
pub use endpoint::MAX_OUTPUT;
pub use endpoint::base_url;
pub use error::ModelError;
pub use gatepost_domain::Cost;
pub use gatepost_domain::Metered;
pub use gatepost_domain::Price;
pub use gatepost_domain::Usage;
pub use secret::KeyError;
pub use secret::KeySource;
pub use secret::Secret;
pub use talk::Message;
pub use talk::Part;
pub use talk::Reply;
pub use talk::Request;
pub use talk::Said;
pub use talk::Stop;
pub use talk::Tool;
pub use talk::ToolCall;
pub use talk::ToolResult;
