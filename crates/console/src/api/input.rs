//! Reading ids and bodies, with every refusal as a problem.

use std::str::FromStr;
use std::time::Duration;

use axum::body::Body;
use axum::extract::FromRequest;
use axum::extract::FromRequestParts;
use axum::extract::Path;
use axum::extract::Query;
use axum::extract::Request;
use axum::http::request::Parts;
use futures::StreamExt;
use gatepost_chat::visible::one_line;
use serde::de::DeserializeOwned;

use crate::problem::Kind;
use crate::problem::Problem;

/// The largest body that is read, in bytes.
const MAX_BODY: usize = 1024 * 1024;

/// How much of a larger body is read and thrown away before it is refused. A client that is still
/// sending would otherwise see a broken connection instead of the refusal.
const MAX_DRAINED: usize = 16 * 1024 * 1024;

/// How long a body may take to arrive.
const BODY_TIME: Duration = Duration::from_secs(30);

/// An id in the path.
pub(crate) struct Id<T>(pub(crate) T);

impl<T, S> FromRequestParts<S> for Id<T>
where
    T: FromStr,
    T::Err: std::fmt::Display,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let unknown = |detail: String| {
            Problem::new(Kind::NotFound, detail, "ids are listed at /api/tasks and /api/approvals")
        };
        let Path(text) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|_| unknown("the path holds no readable id".into()))?;
        // What is not even shaped like an id is, to the caller, an id that does not exist.
        text.parse().map(Id).map_err(|error: T::Err| unknown(one_line(&error.to_string(), 200)))
    }
}

/// The query part; fields that are not known are refused.
pub(crate) struct Asked<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(value)) => Ok(Self(value)),
            Err(error) => Err(Problem::new(
                Kind::Invalid,
                one_line(&error.body_text(), 300),
                "see /api/openapi.json for the fields",
            )),
        }
    }
}

/// A JSON body; no body at all is an object without fields.
pub(crate) struct Json<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let body = match tokio::time::timeout(BODY_TIME, read(request.into_body())).await {
            Ok(body) => body?,
            Err(_) => {
                return Err(Problem::new(
                    Kind::Timeout,
                    format!("the body took longer than {} s", BODY_TIME.as_secs()),
                    "send it in one go",
                ));
            }
        };
        let body = if body.trim_ascii().is_empty() { b"{}" } else { body.as_slice() };
        let hint = "send one JSON object with the fields of /api/openapi.json, and no others";
        // Fields in a list would be taken by their order, which nobody promised.
        if body.trim_ascii_start().starts_with(b"[") {
            return Err(Problem::new(Kind::Invalid, "the body is a list and not an object", hint));
        }
        serde_json::from_slice(body).map(Json).map_err(|error| {
            let kind = match error.classify() {
                serde_json::error::Category::Data => Kind::Invalid,
                serde_json::error::Category::Io
                | serde_json::error::Category::Syntax
                | serde_json::error::Category::Eof => Kind::Malformed,
            };
            Problem::new(kind, one_line(&error.to_string(), 300), hint)
        })
    }
}

async fn read(body: Body) -> Result<Vec<u8>, Problem> {
    let mut chunks = body.into_data_stream();
    let mut kept = Vec::new();
    let mut seen = 0_usize;
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| {
            Problem::new(Kind::Malformed, "the body broke off", "send the request again")
        })?;
        seen = seen.saturating_add(chunk.len());
        if seen <= MAX_BODY {
            kept.extend_from_slice(&chunk);
        } else if seen > MAX_DRAINED {
            break;
        }
    }
    if seen <= MAX_BODY {
        return Ok(kept);
    }
    Err(Problem::new(
        Kind::TooLarge,
        format!("the body is larger than {} KiB", MAX_BODY / 1024),
        "put large content into a file of the project and name the file",
    ))
}
