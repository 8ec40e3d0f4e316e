//! Why a model did not answer, and what to do about it.

use std::time::Duration;

use serde_json::Value;

use crate::secret::KeyError;

/// Why a model did not answer. No text in it holds a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// There is no key, so nothing was sent.
    #[error("{0}")]
    NoKey(#[from] KeyError),
    /// 401 or 403.
    #[error(
        "the model's provider does not accept the key ({detail}); check the key and what it may use"
    )]
    Unauthorized {
        /// What the provider says.
        detail: String,
    },
    /// 429.
    #[error(
        "the model's provider limits how often it is asked ({detail}); wait, or raise the limit there"
    )]
    RateLimited {
        /// How long it wants to be left alone, where it says.
        retry_after: Option<Duration>,
        /// What the provider says.
        detail: String,
    },
    /// 503 or 529.
    #[error("the model's provider is overloaded ({detail}); try again later")]
    Overloaded {
        /// How long it wants to be left alone, where it says.
        retry_after: Option<Duration>,
        /// What the provider says.
        detail: String,
    },
    /// Any other 5xx.
    #[error("the model's provider failed ({detail}); try again later")]
    Server {
        /// What the provider says.
        detail: String,
    },
    /// Any other 4xx: the provider does not take the request, and will not take it again.
    #[error(
        "the model's provider refused the request ({detail}); check `api`, `base_url` and `model`"
    )]
    Refused {
        /// What the provider says.
        detail: String,
    },
    /// The conversation does not fit.
    #[error(
        "the conversation is too long for the model ({detail}); give the task less at once, or name \
         a model with a larger `context`"
    )]
    ContextTooLong {
        /// What the provider says.
        detail: String,
    },
    /// It cannot be reached.
    #[error("the model's provider cannot be reached ({detail}); check `base_url` and the network")]
    Unreachable {
        /// What went wrong.
        detail: String,
    },
    /// It did not begin or go on in time.
    #[error("the model's provider did not {what} within {} seconds", .after.as_secs())]
    Timeout {
        /// What was waited for: `answer` or `go on`.
        what: &'static str,
        /// For how long.
        after: Duration,
    },
    /// The answer broke off.
    #[error("the model's answer broke off before its end")]
    Cut,
    /// The answer is not what this API says.
    #[error("the model's answer cannot be understood ({detail}); check `api` and `base_url`")]
    Unparseable {
        /// What is wrong with it.
        detail: String,
    },
}

/// The longest piece of a provider's own words that is kept, in characters.
const DETAIL: usize = 300;

impl ModelError {
    /// Whether the same request may well be answered a little later.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::RateLimited { .. }
            | Self::Overloaded { .. }
            | Self::Server { .. }
            | Self::Unreachable { .. }
            | Self::Timeout { .. }
            | Self::Cut => true,
            Self::NoKey(_)
            | Self::Unauthorized { .. }
            | Self::Refused { .. }
            | Self::ContextTooLong { .. }
            | Self::Unparseable { .. } => false,
        }
    }

    /// What an HTTP status with this body means.
    pub(crate) fn of_status(status: u16, retry_after: Option<Duration>, body: &str) -> Self {
        let detail = format!("{status}: {}", words(body));
        let retry_after = retry_after.or_else(|| wait_in(body));
        match status {
            // Google says so of a wrong key.
            400 if body.contains("API_KEY_INVALID") => Self::Unauthorized { detail },
            401 | 403 => Self::Unauthorized { detail },
            429 => Self::RateLimited { retry_after, detail },
            503 | 529 => Self::Overloaded { retry_after, detail },
            500..=599 => Self::Server { detail },
            413 => Self::ContextTooLong { detail },
            _ if is_too_long(body) => Self::ContextTooLong { detail },
            _ => Self::Refused { detail },
        }
    }

    /// What an error inside a stream means, which has a name in place of a status.
    pub(crate) fn of_kind(kind: &str, message: &str) -> Self {
        let detail = format!("{kind}: {}", words(message));
        match kind {
            "overloaded_error" | "server_is_overloaded" | "slow_down" => {
                Self::Overloaded { retry_after: None, detail }
            }
            "rate_limit_error" | "rate_limit_exceeded" => {
                Self::RateLimited { retry_after: None, detail }
            }
            "authentication_error" | "permission_error" => Self::Unauthorized { detail },
            "context_length_exceeded" => Self::ContextTooLong { detail },
            "invalid_request_error" | "invalid_prompt" if is_too_long(message) => {
                Self::ContextTooLong { detail }
            }
            "invalid_request_error" | "invalid_prompt" => Self::Refused { detail },
            _ => Self::Server { detail },
        }
    }

    /// The same without what `scrub` takes out of its words.
    pub(crate) fn scrubbed(mut self, scrub: impl Fn(&str) -> String) -> Self {
        match &mut self {
            Self::Unauthorized { detail }
            | Self::RateLimited { detail, .. }
            | Self::Overloaded { detail, .. }
            | Self::Server { detail }
            | Self::Refused { detail }
            | Self::ContextTooLong { detail }
            | Self::Unreachable { detail }
            | Self::Unparseable { detail } => *detail = scrub(detail),
            Self::NoKey(_) | Self::Timeout { .. } | Self::Cut => {}
        }
        self
    }
}

/// How the providers say that a conversation is too long, in their error texts of 2026.
fn is_too_long(text: &str) -> bool {
    let text = text.to_lowercase();
    [
        "prompt is too long",
        "context_length_exceeded",
        "maximum context length",
        "exceed context limit",
        "context window",
        "input token count",
    ]
    .iter()
    .any(|sign| text.contains(sign))
}

/// How long to wait, as Google says it: in the body, such as `"retryDelay": "34.5s"`.
fn wait_in(body: &str) -> Option<Duration> {
    let json: Value = serde_json::from_str(body).ok()?;
    let mut details = json.pointer("/error/details")?.as_array()?.iter();
    let wait = details.find_map(|detail| detail.get("retryDelay")?.as_str())?;
    Duration::try_from_secs_f64(wait.strip_suffix('s')?.parse().ok()?).ok()
}

/// The provider's message in a body, short and in one line.
fn words(body: &str) -> String {
    let json: Option<Value> = serde_json::from_str(body).ok();
    let message = json.as_ref().and_then(|json| {
        [json.pointer("/error/message"), json.pointer("/message"), json.pointer("/error")]
            .into_iter()
            .flatten()
            .find_map(Value::as_str)
    });
    let text: String = message
        .unwrap_or(body)
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(DETAIL)
        .collect();
    if text.trim().is_empty() { "no reason given".into() } else { text.trim().to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_status_means_what_can_be_done() {
        let of = |status, body| ModelError::of_status(status, None, body);
        assert!(matches!(of(401, "{}"), ModelError::Unauthorized { .. }));
        assert!(matches!(of(403, ""), ModelError::Unauthorized { .. }));
        assert!(of(429, "").is_passing() && of(529, "").is_passing() && of(500, "").is_passing());
        assert!(matches!(of(413, ""), ModelError::ContextTooLong { .. }));
        let long =
            r#"{"error":{"type":"invalid_request_error","message":"prompt is too long: 9 > 8"}}"#;
        assert!(matches!(of(400, long), ModelError::ContextTooLong { .. }));
        let refused = of(404, r#"{"error":{"message":"no such\nmodel"}}"#);
        assert!(!refused.is_passing());
        assert!(refused.to_string().contains("404: no such model"), "{refused}");
    }

    #[test]
    fn google_says_in_the_body_what_others_say_in_status_and_header() {
        let body = r#"{"error": {"code": 429, "message": "slow down", "details": [
            {"@type": "type.googleapis.com/google.rpc.QuotaFailure"},
            {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"}]}}"#;
        let wait = Some(Duration::from_millis(34_500));
        for status in [429, 503] {
            let error = ModelError::of_status(status, None, body);
            let (ModelError::RateLimited { retry_after, .. }
            | ModelError::Overloaded { retry_after, .. }) = error
            else {
                panic!("{error:?}")
            };
            assert_eq!(retry_after, wait);
        }
        for odd in ["{}", "no JSON", r#"{"error": {"details": [{"retryDelay": "-1s"}]}}"#] {
            assert_eq!(wait_in(odd), None, "{odd}");
        }
        let body = r#"{"error": {"code": 400, "message": "API key not valid.",
            "details": [{"reason": "API_KEY_INVALID"}]}}"#;
        let error = ModelError::of_status(400, None, body);
        assert!(error.to_string().contains("check the key"), "{error}");
    }

    #[test]
    fn what_a_provider_says_is_kept_short() {
        let error = ModelError::of_status(500, None, &"x".repeat(10_000)).to_string();
        assert!(error.len() < 500, "{}", error.len());
    }
}
