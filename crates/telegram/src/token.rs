//! The bot's token, which never appears in a log, an error or a debug form.

use std::fmt;

/// A bot token. It is part of every URL that the bot calls
/// (<https://core.telegram.org/bots/api#making-requests>), so whatever an HTTP library says may
/// hold it: everything that is shown goes through [`Token::scrub`].
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

/// Text that is no bot token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is not a bot token; one looks like `123456:ABC-DEF…` and comes from @BotFather")]
pub struct TokenError;

impl Token {
    /// Reads a token: the bot's number, a colon, and its secret.
    ///
    /// # Errors
    /// [`TokenError`], which does not repeat the text: it may be a token with a slip.
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        let text = text.trim();
        let (number, secret) = text.split_once(':').ok_or(TokenError)?;
        let number_fits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        let secret_fits = !secret.is_empty()
            && secret.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        if number_fits && secret_fits { Ok(Self(text.to_owned())) } else { Err(TokenError) }
    }

    /// The token, for the URL and for the file it is kept in.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// A text without the token: neither whole, nor its secret part, nor as a URL writes it.
    #[must_use]
    pub fn scrub(&self, text: &str) -> String {
        let secret = self.0.split_once(':').map_or(self.0.as_str(), |(_, secret)| secret);
        let escaped = self.0.replace(':', "%3A");
        text.replace(&self.0, "‹token›").replace(&escaped, "‹token›").replace(secret, "‹token›")
    }

    /// A text for people with a dot for each character of the secret part, so that places in it
    /// stay where they were.
    #[must_use]
    pub fn cover(&self, text: String) -> String {
        let secret = self.0.split_once(':').map_or(self.0.as_str(), |(_, secret)| secret);
        if text.contains(secret) { text.replace(secret, &"•".repeat(secret.len())) } else { text }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_token_is_refused_without_being_repeated() {
        for text in ["", "987", "abcx:def", "987:", "987:a b", "987:a/../b"] {
            let error = Token::parse(text).unwrap_err().to_string();
            assert!(text.is_empty() || !error.contains(text), "{error}");
        }
    }

    #[test]
    fn a_token_is_scrubbed_in_every_form_and_hidden_in_debug() {
        let token = Token::parse(" 110201543:AAHdqTcvCH1vGW-JxfSeofSAs0K5PALDsaw\n").unwrap();
        let said = format!(
            "error for http://x/bot{0}/getMe, http://x/bot{1}/, AAHdqTcvCH1vGW-JxfSeofSAs0K5PALDsaw",
            token.reveal(),
            token.reveal().replace(':', "%3A")
        );
        let scrubbed = token.scrub(&said);
        assert!(!scrubbed.contains("AAHdq"), "{scrubbed}");
        assert_eq!(scrubbed.matches("‹token›").count(), 3, "{scrubbed}");
        assert!(!format!("{token:?}").contains("AAH"));
        let covered = token.cover("a 110201543:AAHdqTcvCH1vGW-JxfSeofSAs0K5PALDsaw b".into());
        assert_eq!(covered, format!("a 110201543:{} b", "•".repeat(35)));
    }
}
