//! Language models over HTTP, whatever the provider.
//!
//! [`Endpoint`] says where a model is and where its key is kept; the key itself is read at the
//! moment it is used and is a [`Secret`].

mod endpoint;
mod secret;

pub use endpoint::Api;
pub use endpoint::BaseUrlError;
pub use endpoint::CONTEXT;
pub use endpoint::Endpoint;
pub use endpoint::MAX_OUTPUT;
pub use endpoint::base_url;
pub use gatepost_domain::Cost;
pub use gatepost_domain::Metered;
pub use gatepost_domain::Price;
pub use gatepost_domain::Usage;
pub use secret::KeyError;
pub use secret::KeySource;
pub use secret::Secret;
