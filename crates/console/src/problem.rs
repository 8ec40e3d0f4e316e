//! Errors as people and scripts get them: problem+json with a hint.

use axum::http::HeaderValue;
use axum::http::StatusCode;
use axum::http::header;
use axum::response::IntoResponse;
use axum::response::Response;
use gatepost_domain::approval::Settlement;
use gatepost_domain::request::RequestError;
use gatepost_domain::request::RequestErrorKind;
use serde::Serialize;
use utoipa::ToSchema;

/// How long a caller waits before it tries again when there was no room, in seconds.
const RETRY_AFTER: &str = "5";

macro_rules! urn {
    ($name:literal) => {
        concat!("urn:gatepost:problem:", $name)
    };
}

/// A refusal or failure (RFC 9457), with what to do about it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Problem {
    /// Names the kind of problem; stable.
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    /// The kind in words.
    pub(crate) title: &'static str,
    /// The HTTP status again.
    pub(crate) status: u16,
    /// What is wrong this time.
    pub(crate) detail: String,
    /// What to do about it.
    pub(crate) hint: String,
    /// What scripts and the page act on, where there is such a thing.
    #[serde(flatten)]
    pub(crate) about: Option<Box<About>>,
}

/// What a problem is about.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub(crate) struct About {
    /// The task.
    pub(crate) task: String,
    /// For an approval that was settled before: how, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) decided: Option<String>,
    /// For an approval that was settled before: how, as in the journal.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub(crate) settlement: Option<Settlement>,
    /// For changes that meet a changed project: the first path that differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) path: Option<String>,
}

/// The kinds of problem, each with its status and title.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Not JSON, or not readable at all.
    Malformed,
    /// No key, or a wrong one.
    Unauthorised,
    /// A write from another site.
    CrossOrigin,
    /// No such path or id.
    NotFound,
    /// The path exists, the method does not.
    Method,
    /// The body did not arrive in time.
    Timeout,
    /// It does not fit the state any more.
    Conflict,
    /// The body is too large.
    TooLarge,
    /// The body is not JSON by its own word.
    MediaType,
    /// Asked under another name than the console's own.
    ForeignHost,
    /// JSON, but not what is wanted.
    Invalid,
    /// No room now.
    Full,
    /// Not possible now.
    Unavailable,
    /// A fault of Gatepost's own.
    Internal,
}

impl Kind {
    fn parts(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::Malformed => {
                (StatusCode::BAD_REQUEST, urn!("malformed"), "the request is malformed")
            }
            Self::Unauthorised => {
                (StatusCode::UNAUTHORIZED, urn!("unauthorised"), "the key is missing or wrong")
            }
            Self::CrossOrigin => {
                (StatusCode::FORBIDDEN, urn!("cross-origin"), "the request came from another site")
            }
            Self::NotFound => (StatusCode::NOT_FOUND, urn!("not-found"), "there is no such thing"),
            Self::Method => (
                StatusCode::METHOD_NOT_ALLOWED,
                urn!("method-not-allowed"),
                "the method is not allowed",
            ),
            Self::Timeout => {
                (StatusCode::REQUEST_TIMEOUT, urn!("timeout"), "the request did not arrive in time")
            }
            Self::Conflict => (
                StatusCode::CONFLICT,
                urn!("conflict"),
                "the request does not fit the state any more",
            ),
            Self::TooLarge => {
                (StatusCode::PAYLOAD_TOO_LARGE, urn!("too-large"), "the request is too large")
            }
            Self::MediaType => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, urn!("media-type"), "the request is not JSON")
            }
            Self::ForeignHost => {
                (StatusCode::MISDIRECTED_REQUEST, urn!("foreign-host"), "the host name is not ours")
            }
            Self::Invalid => {
                (StatusCode::UNPROCESSABLE_ENTITY, urn!("invalid"), "the request is not valid")
            }
            Self::Full => (StatusCode::SERVICE_UNAVAILABLE, urn!("full"), "there is no room now"),
            Self::Unavailable => (
                StatusCode::SERVICE_UNAVAILABLE,
                urn!("unavailable"),
                "gatepost cannot do that now",
            ),
            Self::Internal => {
                (StatusCode::INTERNAL_SERVER_ERROR, urn!("internal"), "gatepost made a mistake")
            }
        }
    }
}

impl Problem {
    pub(crate) fn new(kind: Kind, detail: impl Into<String>, hint: impl Into<String>) -> Self {
        let (status, kind, title) = kind.parts();
        Self {
            kind,
            title,
            status: status.as_u16(),
            detail: detail.into(),
            hint: hint.into(),
            about: None,
        }
    }

    pub(crate) fn about(mut self, about: About) -> Self {
        self.about = Some(Box::new(about));
        self
    }
}

impl From<RequestError> for Problem {
    fn from(error: RequestError) -> Self {
        let kind = match error.kind {
            RequestErrorKind::Invalid => Kind::Invalid,
            RequestErrorKind::NotFound => Kind::NotFound,
            RequestErrorKind::Conflict => Kind::Conflict,
            RequestErrorKind::Full => Kind::Full,
            RequestErrorKind::Unavailable => Kind::Unavailable,
        };
        Self::new(kind, error.message, error.hint)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        // A struct of strings and numbers always becomes JSON; the fallback keeps the status.
        let body = serde_json::to_string(&self).unwrap_or_else(|_| "{}".to_owned());
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
