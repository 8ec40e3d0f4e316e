//! Pairing: whoever holds the console's key vouches for a person in a chat.

use axum::Json as Answer;
use axum::extract::State;
use gatepost_domain::chat::ChatNote;
use gatepost_domain::principal::Platform;
use serde::Deserialize;
use serde::Serialize;
use utoipa::ToSchema;

use super::input::Json;
use crate::App;
use crate::problem::Kind;
use crate::problem::Problem;

/// The longest code, in characters; the bots' own have 8.
const MAX_CODE: usize = 32;

/// A code that a chat's bot gave to somebody.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PairingRequest {
    /// The code.
    #[schema(example = "7KQ2MX0D")]
    code: String,
}

/// The code was passed on.
#[derive(Serialize, ToSchema)]
pub(crate) struct Vouched {
    /// Always true: the bot tells the person whether the code was theirs and still held.
    vouched: bool,
}

/// Vouches for the person to whom a chat's bot gave a code.
#[utoipa::path(
    post,
    path = "/api/pairing",
    request_body = PairingRequest,
    responses(
        (status = 200, description = "passed on to the chats", body = Vouched),
        (status = 422, description = "not a code", body = Problem)
    )
)]
pub(crate) async fn vouch(
    State(app): State<App>,
    Json(request): Json<PairingRequest>,
) -> Result<Answer<Vouched>, Problem> {
    let code = request.code.trim();
    let fits = (1..=MAX_CODE).contains(&code.len())
        && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if !fits {
        let hint = "send the code as the bot gave it, such as 7KQ2MX0D";
        return Err(Problem::new(Kind::Invalid, "this is not a pairing code", hint));
    }
    let note = ChatNote::CodeVouched { code: code.to_owned() };
    app.hub.note(Platform::Telegram, None, note).await?;
    Ok(Answer(Vouched { vouched: true }))
}
