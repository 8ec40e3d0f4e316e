//! The HTTP interface: every route with its description, so that the two cannot drift apart.

use std::sync::LazyLock;

use axum::response::IntoResponse;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::App;
use crate::problem::Problem;

mod approvals;
mod cards;
mod input;
mod live;
mod pairing;
mod tasks;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Gatepost",
        description = "Hand tasks to coding agents, watch them and answer what needs a person. \
            Loopback only; send `Authorization: Bearer KEY`. Refusals are problem+json with a hint."
    ),
    components(schemas(Problem)),
    modifiers(&BearerKey),
    security(("key" = []))
)]
struct Description;

struct BearerKey;

impl utoipa::Modify for BearerKey {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        use utoipa::openapi::security::Http;
        use utoipa::openapi::security::HttpAuthScheme;
        use utoipa::openapi::security::SecurityScheme;
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        api.components.get_or_insert_default().add_security_scheme("key", scheme);
    }
}

static DESCRIPTION: LazyLock<Result<String, serde_json::Error>> =
    LazyLock::new(|| routes().split_for_parts().1.to_json());

/// Every route of the interface, with its description.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(tasks::create, tasks::list))
        .routes(routes!(tasks::show))
        .routes(routes!(tasks::cancel))
        .routes(routes!(tasks::retry))
        .routes(routes!(tasks::resume))
        .routes(routes!(tasks::message))
        .routes(routes!(tasks::deliver))
        .routes(routes!(approvals::list))
        .routes(routes!(approvals::answer))
        .routes(routes!(pairing::vouch))
        .routes(routes!(cards::all))
        .routes(routes!(cards::of_task))
        .routes(routes!(live::events))
        .routes(routes!(live::choices))
        .routes(routes!(live::agents))
        .routes(routes!(live::health))
        .routes(routes!(describe))
}

/// This description.
#[utoipa::path(
    get,
    path = "/api/openapi.json",
    responses((status = 200, description = "the OpenAPI document", body = Object))
)]
async fn describe() -> Result<impl IntoResponse, Problem> {
    match &*DESCRIPTION {
        Ok(text) => Ok(([(axum::http::header::CONTENT_TYPE, "application/json")], text.as_str())),
        Err(error) => Err(Problem::new(
            crate::problem::Kind::Internal,
            format!("the description could not be written: {error}"),
            "please report this",
        )),
    }
}
