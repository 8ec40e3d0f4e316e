//! Asking Telegram about a bot, for set-up and for the doctor.

use crate::api::AddressError;
use crate::api::Api;
use crate::api::Identity;
use crate::api::Trouble;
use crate::api::Webhook;
use crate::token::Token;

/// What Telegram says of a bot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probed {
    /// Who it is.
    pub identity: Identity,
    /// Where its updates wait; none when that could not be asked.
    pub webhook: Option<Webhook>,
}

/// Why nothing could be found out. No text in here holds the token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProbeError {
    /// The address is none.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The server does not know the token.
    #[error("telegram does not know this token")]
    BadToken,
    /// Anything else, in words.
    #[error("{0}")]
    Other(String),
}

/// Asks who a bot is and where its updates wait.
///
/// # Errors
/// [`ProbeError`] says why that could not be found out.
pub async fn probe(token: &Token, address: Option<&str>) -> Result<Probed, ProbeError> {
    let api = Api::new(token.clone(), address)?;
    let identity = api.me().await.map_err(|trouble| match trouble {
        Trouble::BadToken => ProbeError::BadToken,
        other => ProbeError::Other(other.to_string()),
    })?;
    Ok(Probed { identity, webhook: api.webhook().await.ok() })
}
