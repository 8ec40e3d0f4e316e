//! Cards for the page: the words of [`gatepost_chat::card`] as JSON, so that the page has none of
//! its own. Scripts read tasks and approvals instead: cards change whenever their words do.

use axum::Json as Answer;
use axum::extract::State;
use gatepost_chat::card::ApprovalCard;
use gatepost_chat::card::TaskCard;
use gatepost_chat::card::TaskLine;
use gatepost_domain::id::TaskId;
use serde::Serialize;
use utoipa::ToSchema;

use super::input::Id;
use crate::App;
use crate::problem::Problem;

/// How many tasks the page lists.
const LISTED: usize = 100;

/// The page's first view.
#[derive(Serialize, ToSchema)]
pub(crate) struct Cards {
    /// Open questions, oldest first.
    #[schema(value_type = Vec<Object>)]
    approvals: Vec<ApprovalCard>,
    /// The latest tasks, newest first.
    #[schema(value_type = Vec<Object>)]
    tasks: Vec<TaskLine>,
    /// How many older tasks are not listed.
    older: usize,
}

/// The open questions and the latest tasks as the page shows them; its form may change.
#[utoipa::path(
    get,
    path = "/api/cards",
    responses((status = 200, description = "the cards", body = Cards))
)]
pub(crate) async fn all(State(app): State<App>) -> Result<Answer<Cards>, Problem> {
    let (tasks, open) = (app.hub.tasks().await?, app.hub.approvals().await?);
    Ok(Answer(Cards {
        approvals: open.iter().map(|open| ApprovalCard::open(&open.task, &open.approval)).collect(),
        older: tasks.len().saturating_sub(LISTED),
        tasks: tasks.iter().take(LISTED).map(TaskLine::of).collect(),
    }))
}

/// One task as the page shows it; its form may change.
#[utoipa::path(
    get,
    path = "/api/tasks/{id}/card",
    params(("id" = String, Path, description = "the task")),
    responses(
        (status = 200, description = "the card", body = Object),
        (status = 404, description = "no such task", body = Problem)
    )
)]
pub(crate) async fn of_task(
    State(app): State<App>,
    Id(id): Id<TaskId>,
) -> Result<Answer<TaskCard>, Problem> {
    Ok(Answer(TaskCard::of(&app.hub.task(id).await?)))
}
