//! Where a model is and how it is spoken to.

use std::fmt;

use gatepost_domain::Metered;
use gatepost_domain::Price;
use gatepost_domain::Usage;
use reqwest::Url;
use serde::Deserialize;
use serde::Serialize;

use crate::secret::KeySource;

/// The wire format of a model API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Api {
    /// Anthropic's Messages.
    Anthropic,
    /// OpenAI's chat completions, which many other servers speak too.
    #[serde(rename = "openai")]
    OpenAi,
    /// OpenAI's Responses.
    #[serde(rename = "openai-responses")]
    OpenAiResponses,
    /// Google's Gemini.
    Gemini,
    /// Ollama, over its OpenAI-compatible routes; needs no key.
    Ollama,
}

/// One model that is set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The name the configuration gives it.
    pub name: String,
    /// How it is spoken to.
    pub api: Api,
    /// Where, without a `/` at its end; see [`Endpoint::url`].
    pub base_url: String,
    /// Where its key is kept.
    pub key: KeySource,
    /// The model's name at the provider.
    pub model: String,
    /// What its tokens cost; none where the configuration does not say.
    pub price: Option<Price>,
    /// How many tokens a request and its answer may have together.
    pub context: u64,
    /// How many tokens an answer may have.
    pub max_output: u64,
}

/// A base URL that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{url}` is no base URL of a model ({why}); write one such as `https://api.example.com/v1`"
)]
pub struct BaseUrlError {
    url: String,
    why: &'static str,
}

/// A context window that every model of today has, in tokens; larger ones are configured.
pub const CONTEXT: u64 = 128_000;

/// An answer's length in tokens that every model of today can give and that holds a large file.
pub const MAX_OUTPUT: u64 = 8_192;

impl Api {
    /// Where the provider serves it; none where that is up to whoever runs the server.
    #[must_use]
    pub fn public_url(self) -> &'static str {
        match self {
            Self::Anthropic => "https://api.anthropic.com",
            Self::OpenAi | Self::OpenAiResponses => "https://api.openai.com/v1",
            Self::Gemini => "https://generativelanguage.googleapis.com",
            Self::Ollama => "http://127.0.0.1:11434",
        }
    }

    /// The word in the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Anthropic => "anthropic",
            Self::OpenAi => "openai",
            Self::OpenAiResponses => "openai-responses",
            Self::Gemini => "gemini",
            Self::Ollama => "ollama",
        }
    }

    /// The version that stands in the path where the base URL has none.
    fn version(self) -> &'static str {
        match self {
            Self::Anthropic | Self::OpenAi | Self::OpenAiResponses | Self::Ollama => "v1",
            Self::Gemini => "v1beta",
        }
    }
}

impl fmt::Display for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Endpoint {
    /// The address of one route below the API's version, such as `messages`. People write base URLs
    /// with and without the version, so it is added where the base URL has no path, and for
    /// Anthropic and Gemini wherever it does not end in one.
    #[must_use]
    pub fn url(&self, route: &str) -> String {
        let base = self.base_url.trim_end_matches('/');
        let versioned = base.rsplit_once('/').is_some_and(|(_, last)| is_version(last));
        let has_path = base.split_once("://").is_some_and(|(_, rest)| rest.contains('/'));
        let bare = match self.api {
            Api::Anthropic | Api::Gemini => !versioned,
            Api::OpenAi | Api::OpenAiResponses | Api::Ollama => !has_path,
        };
        if bare {
            format!("{base}/{}/{route}", self.api.version())
        } else {
            format!("{base}/{route}")
        }
    }

    /// The record of one call, priced where there is a price.
    #[must_use]
    pub fn metered(&self, usage: Usage) -> Metered {
        let cost = self.price.map(|price| price.of(usage));
        Metered { model: self.name.clone(), usage, cost }
    }
}

/// Checks a base URL, and takes a `/` off its end.
///
/// # Errors
/// [`BaseUrlError`] when it is none, would send the key unencrypted to another machine, or holds
/// one itself.
pub fn base_url(text: &str) -> Result<String, BaseUrlError> {
    let wrong = |why| BaseUrlError { url: shown(text), why };
    let url = Url::parse(text.trim()).map_err(|_| wrong("it is no URL"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("a key belongs in `key_file` or `key_env`"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("it may have no `?` and no `#`"));
    }
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    let local = host == "localhost"
        || address.is_ok_and(|ip| match ip {
            std::net::IpAddr::V4(ip) => ip.is_loopback() || ip.is_private(),
            std::net::IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local(),
        });
    match url.scheme() {
        "https" => {}
        "http" if local => {}
        "http" => return Err(wrong("the key would travel unencrypted; use https")),
        _ => return Err(wrong("only http and https are spoken")),
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// The text without what may be a password in it.
fn shown(text: &str) -> String {
    match (text.split_once("://"), text.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://…@{host}"),
        _ => text.to_owned(),
    }
}

fn is_version(part: &str) -> bool {
    part.strip_prefix('v').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(api: Api, base: &str, route: &str) -> String {
        let endpoint = Endpoint {
            name: "x".into(),
            api,
            base_url: base_url(base).unwrap(),
            key: KeySource::None,
            model: "m".into(),
            price: None,
            context: CONTEXT,
            max_output: MAX_OUTPUT,
        };
        endpoint.url(route)
    }

    #[test]
    fn a_base_url_may_be_written_with_and_without_the_version() {
        for (api, base, whole) in [
            (Api::Anthropic, "https://api.anthropic.com", "https://api.anthropic.com/v1/r"),
            (Api::Anthropic, "https://api.anthropic.com/v1/", "https://api.anthropic.com/v1/r"),
            (Api::Anthropic, "http://127.0.0.1:1/anthropic", "http://127.0.0.1:1/anthropic/v1/r"),
            (Api::OpenAi, "http://127.0.0.1:1", "http://127.0.0.1:1/v1/r"),
            (Api::OpenAi, "https://openrouter.ai/api/v1", "https://openrouter.ai/api/v1/r"),
            (Api::OpenAi, "https://x.example/openai", "https://x.example/openai/r"),
            (Api::Gemini, "https://g.example/", "https://g.example/v1beta/r"),
            (Api::Gemini, "https://g.example/v1", "https://g.example/v1/r"),
            (Api::Ollama, "http://localhost:11434", "http://localhost:11434/v1/r"),
        ] {
            assert_eq!(url(api, base, "r"), whole, "{api} at {base}");
        }
        for api in [Api::Anthropic, Api::OpenAi, Api::OpenAiResponses, Api::Gemini, Api::Ollama] {
            assert!(base_url(api.public_url()).is_ok());
        }
    }

    #[test]
    fn a_base_url_that_would_give_the_key_away_is_refused() {
        for (text, why) in [
            ("api.example.com", "no URL"),
            ("http://api.example.com/v1", "unencrypted"),
            ("http://8.8.8.8", "unencrypted"),
            ("ftp://x.example", "only http"),
            ("https://user:hunter2@x.example", "key_file"),
            ("https://x.example/?key=1", "no `?`"),
        ] {
            let error = base_url(text).unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
        for text in ["http://localhost:1", "http://[::1]:8080/v1", "http://10.0.0.5:8000"] {
            assert!(base_url(text).is_ok(), "{text}");
        }
    }
}
