//! Pairing: whoever holds the console's key vouches for a person in a chat.

use axum::Json as Answer;
use axum::extract::State;
use gatepost_chat::pairing::Pairing;
use gatepost_domain::chat::ChatNote;
use gatepost_domain::principal::Platform;
use jiff::Timestamp;
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

/// The person is let in.
#[derive(Serialize, ToSchema)]
pub(crate) struct Vouched {
    /// Who, as the platform and its number of them. The bot writes to them.
    #[schema(example = "telegram:1001")]
    who: String,
}

/// Vouches for the person to whom a chat's bot gave a code.
#[utoipa::path(
    post,
    path = "/api/pairing",
    request_body = PairingRequest,
    responses(
        (status = 200, description = "the person is let in", body = Vouched),
        (status = 404, description = "nobody was given this code, or it ran out", body = Problem),
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
    let now = Timestamp::now();
    for platform in [Platform::Telegram, Platform::Discord] {
        let mut pairing = Pairing::default();
        app.hub.notes(platform).await?.iter().for_each(|note| pairing.recall(note));
        if let Some(who) = pairing.whose(code, now) {
            let who = who.to_string();
            let note = ChatNote::CodeVouched { code: code.to_owned() };
            app.hub.note(platform, None, note).await?;
            return Ok(Answer(Vouched { who }));
        }
    }
    let hint = "codes hold for an hour; let the person write to the bot, which gives them one";
    Err(Problem::new(Kind::NotFound, "nobody has this code, or it holds no longer", hint))
}
