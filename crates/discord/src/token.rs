//! The bot's token, which never appears in a log, an error or a debug form.

use std::fmt;

/// The fewest characters of a token; Discord's have about 70. Shorter text cannot be hidden in what
/// is said without hiding half of it.
const SHORTEST: usize = 8;

/// A bot token. It is sent in a header and when the gateway is opened; whatever a library says of
/// either goes through [`Token::scrub`].
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

/// Text that is no bot token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "this is not a bot token; one has three parts with dots between, and comes from the page `Bot` \
     of the application at https://discord.com/developers/applications"
)]
pub struct TokenError;

impl Token {
    /// Reads a token, with or without the word `Bot` before it.
    ///
    /// # Errors
    /// [`TokenError`], which does not repeat the text: it may be a token with a slip.
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        let text = text.trim();
        let text = text.strip_prefix("Bot ").map_or(text, str::trim);
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if text.len() < SHORTEST || !text.chars().all(fits) {
            return Err(TokenError);
        }
        Ok(Self(text.to_owned()))
    }

    /// The token, for the header and for the file it is kept in.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// A text without the token, neither whole nor its last part, which is the secret.
    #[must_use]
    pub fn scrub(&self, text: &str) -> String {
        text.replace(&self.0, "‹token›").replace(self.secret(), "‹token›")
    }

    /// A text for people with a dot for each character of the secret part.
    #[must_use]
    pub fn cover(&self, text: String) -> String {
        let secret = self.secret();
        if text.contains(secret) { text.replace(secret, &"•".repeat(secret.len())) } else { text }
    }

    fn secret(&self) -> &str {
        match self.0.rsplit_once('.') {
            Some((_, secret)) if secret.len() >= SHORTEST => secret,
            Some(_) | None => &self.0,
        }
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
        for text in ["", "short", "two words here", "line\nbreak.in.it", "ünicode.is.not"] {
            let error = Token::parse(text).unwrap_err().to_string();
            assert!(text.is_empty() || !error.contains(text), "{error}");
        }
    }

    #[test]
    fn a_token_is_scrubbed_whole_and_in_its_secret_part() {
        let token = Token::parse(" Bot NzAw.Cl2FMQ.ZnCjm1XVW7vRze4b7Cq4se7k\n").unwrap();
        let said =
            "Authorization: Bot NzAw.Cl2FMQ.ZnCjm1XVW7vRze4b7Cq4se7k ZnCjm1XVW7vRze4b7Cq4se7k";
        let scrubbed = token.scrub(said);
        assert!(!scrubbed.contains("ZnCjm1"), "{scrubbed}");
        assert_eq!(format!("{token:?}"), "Token(…)");
        assert!(!token.cover("it is ZnCjm1XVW7vRze4b7Cq4se7k".into()).contains("ZnCjm1"));
    }
}
