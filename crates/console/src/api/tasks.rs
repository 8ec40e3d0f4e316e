//! Tasks: hand over, look at, stop, run again, talk to, deliver.

use axum::Json as Answer;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::response::Response;
use gatepost_domain::changes::DeliveryKind;
use gatepost_domain::changes::DeliveryResult;
use gatepost_domain::event::Record;
use gatepost_domain::id::TaskId;
use gatepost_domain::lifecycle::Delivery;
use gatepost_domain::lifecycle::Phase;
use gatepost_domain::lifecycle::State as TaskState;
use gatepost_domain::lifecycle::Task;
use gatepost_domain::mode::Mode;
use gatepost_domain::outcome::Outcome;
use gatepost_domain::principal::Principal;
use gatepost_domain::request::DeliveryReceipt;
use gatepost_domain::request::NewTask;
use gatepost_domain::summary::Summary;
use jiff::Timestamp;
use serde::Deserialize;
use serde::Serialize;
use utoipa::IntoParams;
use utoipa::ToSchema;

use super::approvals::ApprovalView;
use super::input::Asked;
use super::input::Id;
use super::input::Json;
use crate::App;
use crate::problem::About;
use crate::problem::Kind;
use crate::problem::Problem;

/// A task to hand over.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TaskRequest {
    /// The task in your own words.
    text: String,
    /// A configured project's name; the default project when left out.
    project: Option<String>,
    /// A configured agent's name; the default agent when left out.
    agent: Option<String>,
    /// `plan`, `manual`, `accept-edits`, `auto`, `unattended` or `bypass`; the default mode when left out.
    #[schema(value_type = Option<String>)]
    mode: Option<Mode>,
}

/// A task that was taken.
#[derive(Serialize, ToSchema)]
pub(crate) struct Taken {
    /// Its id.
    #[schema(value_type = String, example = "t7k2qd")]
    id: TaskId,
    /// How many tasks of its project go before it.
    ahead: usize,
}

/// The task that a request was about.
#[derive(Serialize, ToSchema)]
pub(crate) struct Named {
    /// Its id.
    #[schema(value_type = String, example = "t7k2qd")]
    id: TaskId,
}

/// A task in short.
#[derive(Serialize, ToSchema)]
pub(crate) struct TaskBrief {
    /// Its id.
    #[schema(value_type = String, example = "t7k2qd")]
    id: TaskId,
    /// `received`, `queued`, `preparing`, `running`, `awaiting-approval`,
    /// `awaiting-words`, `cancelling`, `finishing` or `finished`.
    #[schema(value_type = String)]
    state: TaskState,
    /// `succeeded`, `failed`, `denied`, `cancelled`, `interrupted` or `lost`, once finished.
    #[schema(value_type = Option<String>)]
    outcome: Option<Outcome>,
    /// Why it ended so, in a sentence.
    reason: Option<String>,
    /// What was asked.
    text: String,
    /// The project's name.
    project: String,
    /// The agent's name.
    agent: String,
    /// How much is decided without a person.
    #[schema(value_type = String)]
    mode: Mode,
    /// Who asked, as `platform:id`.
    requester: String,
    /// The task it runs again, if it does.
    #[schema(value_type = Option<String>)]
    retry_of: Option<TaskId>,
    /// When it was handed over.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    finished_at: Option<Timestamp>,
    /// How many questions are open.
    open_approvals: usize,
}

/// A task with everything that is known of it.
#[derive(Serialize, ToSchema)]
pub(crate) struct TaskFull {
    #[serde(flatten)]
    brief: TaskBrief,
    /// Its records, as in the journal.
    #[schema(value_type = Vec<Object>)]
    events: Vec<Record>,
    /// What it changed as a unified diff, once collected and while it is kept.
    diff: Option<String>,
    /// What it came to, built from the records.
    #[schema(value_type = Object)]
    summary: Summary,
    /// Its open questions.
    approvals: Vec<ApprovalView>,
    /// What became of the changes.
    #[schema(value_type = Object)]
    delivery: Delivery,
    /// What changed, path by path, once collected.
    #[schema(value_type = Option<Object>)]
    changes: Option<gatepost_domain::changes::ChangeSet>,
}

/// How many tasks to list.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    /// At most this many, newest first; all when left out.
    limit: Option<usize>,
}

/// Another message for a task.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MessageRequest {
    /// The words.
    text: String,
}

/// What to do with the changes.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeliverRequest {
    /// `apply`, `branch` or `discard`.
    #[schema(value_type = String, example = "apply")]
    how: DeliveryKind,
}

/// What became of the changes.
#[derive(Serialize, ToSchema)]
pub(crate) struct Delivered {
    /// The task.
    #[schema(value_type = String)]
    id: TaskId,
    /// True while it waits until the project is free.
    queued: bool,
    /// What became of it; none while it waits.
    #[schema(value_type = Option<Object>)]
    result: Option<DeliveryResult>,
}

/// A request without fields.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

impl TaskBrief {
    fn of(task: &Task) -> Self {
        let spec = task.spec();
        let (outcome, reason) = match task.outcome() {
            Some((outcome, reason)) => (Some(outcome), Some(reason.to_string())),
            None => (None, None),
        };
        let finished_at = match task.phase() {
            Phase::Finished { at, .. } => Some(*at),
            Phase::Received
            | Phase::Queued
            | Phase::Preparing { .. }
            | Phase::Running { .. }
            | Phase::Suspended { .. }
            | Phase::Cancelling { .. }
            | Phase::Finishing { .. } => None,
        };
        Self {
            id: task.id().clone(),
            state: task.state(),
            outcome,
            reason,
            text: spec.text.clone(),
            project: spec.project.clone(),
            agent: spec.agent.clone(),
            mode: spec.mode,
            requester: spec.requester.to_string(),
            retry_of: spec.retry_of.clone(),
            created_at: task.received_at(),
            finished_at,
            open_approvals: task.open().len(),
        }
    }
}

/// Hands over a task.
#[utoipa::path(
    post,
    path = "/api/tasks",
    request_body = TaskRequest,
    responses(
        (status = 201, description = "taken", body = Taken),
        (status = "4XX", description = "refused", body = Problem),
        (status = 503, description = "full; see Retry-After", body = Problem)
    )
)]
pub(crate) async fn create(
    State(app): State<App>,
    Json(request): Json<TaskRequest>,
) -> Result<(StatusCode, Answer<Taken>), Problem> {
    let TaskRequest { text, project, agent, mode } = request;
    let task = NewTask { text, project, agent, mode, ..NewTask::default() };
    let receipt = app.hub.submit(Principal::console(), task).await?;
    Ok((StatusCode::CREATED, Answer(Taken { id: receipt.id, ahead: receipt.ahead })))
}

/// All tasks, newest first.
#[utoipa::path(
    get,
    path = "/api/tasks",
    params(ListQuery),
    responses((status = 200, description = "the tasks", body = Vec<TaskBrief>))
)]
pub(crate) async fn list(
    State(app): State<App>,
    Asked(query): Asked<ListQuery>,
) -> Result<Answer<Vec<TaskBrief>>, Problem> {
    let tasks = app.hub.tasks().await?;
    let limit = query.limit.unwrap_or(usize::MAX);
    Ok(Answer(tasks.iter().take(limit).map(TaskBrief::of).collect()))
}

/// One task with its records, diff and summary.
#[utoipa::path(
    get,
    path = "/api/tasks/{id}",
    params(("id" = String, Path, description = "the task")),
    responses(
        (status = 200, description = "the task", body = TaskFull),
        (status = 404, description = "no such task", body = Problem)
    )
)]
pub(crate) async fn show(
    State(app): State<App>,
    Id(id): Id<TaskId>,
) -> Result<Answer<TaskFull>, Problem> {
    let detail = app.hub.task(id).await?;
    let task = &detail.task;
    let approvals = task.open().values().map(|open| ApprovalView::of(task.id(), open)).collect();
    Ok(Answer(TaskFull {
        brief: TaskBrief::of(task),
        summary: Summary::of(&detail.records),
        approvals,
        delivery: task.delivery().clone(),
        changes: task.changes().cloned(),
        events: detail.records,
        diff: detail.diff,
    }))
}

/// Stops a task.
#[utoipa::path(
    post,
    path = "/api/tasks/{id}/cancel",
    params(("id" = String, Path, description = "the task")),
    responses(
        (status = 200, description = "it is being stopped", body = Named),
        (status = 404, description = "no such task", body = Problem),
        (status = 409, description = "it is ending, or its changes are being delivered", body = Problem),
        (status = 503, description = "full; see Retry-After", body = Problem)
    )
)]
pub(crate) async fn cancel(
    State(app): State<App>,
    Id(id): Id<TaskId>,
    Json(Nothing {}): Json<Nothing>,
) -> Result<Answer<Named>, Problem> {
    app.hub.cancel(Principal::console(), id.clone()).await?;
    Ok(Answer(Named { id }))
}

/// Runs a finished task again, as a new task.
#[utoipa::path(
    post,
    path = "/api/tasks/{id}/retry",
    params(("id" = String, Path, description = "the task to run again")),
    responses(
        (status = 201, description = "taken as a new task", body = Taken),
        (status = 404, description = "no such task", body = Problem),
        (status = 409, description = "it is not over yet", body = Problem),
        (status = 503, description = "full; see Retry-After", body = Problem)
    )
)]
pub(crate) async fn retry(
    State(app): State<App>,
    Id(id): Id<TaskId>,
    Json(Nothing {}): Json<Nothing>,
) -> Result<(StatusCode, Answer<Taken>), Problem> {
    let receipt = app.hub.retry(Principal::console(), id).await?;
    Ok((StatusCode::CREATED, Answer(Taken { id: receipt.id, ahead: receipt.ahead })))
}

/// Has an interrupted task go on where it was cut.
#[utoipa::path(
    post,
    path = "/api/tasks/{id}/resume",
    params(("id" = String, Path, description = "the task")),
    responses(
        (status = 200, description = "it goes on", body = Named),
        (status = 404, description = "no such task", body = Problem),
        (status = 409, description = "it was not interrupted, or goes on already", body = Problem),
        (status = 503, description = "full; see Retry-After", body = Problem)
    )
)]
pub(crate) async fn resume(
    State(app): State<App>,
    Id(id): Id<TaskId>,
    Json(Nothing {}): Json<Nothing>,
) -> Result<Answer<Named>, Problem> {
    app.hub.resume(Principal::console(), id.clone()).await?;
    Ok(Answer(Named { id }))
}

/// Sends a task another message. One that is over goes on with it, in its own workspace and
/// conversation.
#[utoipa::path(
    post,
    path = "/api/tasks/{id}/message",
    params(("id" = String, Path, description = "the task")),
    request_body = MessageRequest,
    responses(
        (status = 200, description = "recorded", body = Named),
        (status = 404, description = "no such task", body = Problem),
        (status = 409, description = "it is over already", body = Problem)
    )
)]
pub(crate) async fn message(
    State(app): State<App>,
    Id(id): Id<TaskId>,
    Json(request): Json<MessageRequest>,
) -> Result<Answer<Named>, Problem> {
    app.hub.message(Principal::console(), id.clone(), request.text).await?;
    Ok(Answer(Named { id }))
}

/// Applies the changes of a finished task, makes a branch of them, or throws them away.
#[utoipa::path(
    post,
    path = "/api/tasks/{id}/deliver",
    params(("id" = String, Path, description = "the task")),
    request_body = DeliverRequest,
    responses(
        (status = 200, description = "done", body = Delivered),
        (status = 202, description = "it waits until the project is free", body = Delivered),
        (status = 404, description = "no such task", body = Problem),
        (status = 409, description = "nothing was delivered; `path` names a conflict", body = Problem)
    )
)]
pub(crate) async fn deliver(
    State(app): State<App>,
    Id(id): Id<TaskId>,
    Json(request): Json<DeliverRequest>,
) -> Result<Response, Problem> {
    let receipt = app.hub.deliver(Principal::console(), id.clone(), request.how).await?;
    let result = match receipt {
        DeliveryReceipt::Queued => {
            let body = Delivered { id, queued: true, result: None };
            return Ok((StatusCode::ACCEPTED, Answer(body)).into_response());
        }
        DeliveryReceipt::Done(result) => result,
    };
    match result {
        DeliveryResult::Applied { .. }
        | DeliveryResult::Branched { .. }
        | DeliveryResult::Discarded => {
            let body = Delivered { id, queued: false, result: Some(result) };
            Ok(Answer(body).into_response())
        }
        DeliveryResult::Conflict { path } => Err(Problem::new(
            Kind::Conflict,
            format!("`{path}` changed in the project since the run; nothing was written"),
            "run the task again, or use branch and merge by hand",
        )
        .about(About { task: id.into(), path: Some(path), ..About::default() })),
        DeliveryResult::Failed { reason } => {
            let hint = "mend that and try again; the changes are still kept";
            let about = About { task: id.into(), ..About::default() };
            Err(Problem::new(Kind::Conflict, reason, hint).about(about))
        }
    }
}
