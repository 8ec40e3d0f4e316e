//! What goes on now: the stream of records, whether Gatepost answers, and what can be chosen.

use std::convert::Infallible;
use std::time::Duration;

use axum::Json as Answer;
use axum::extract::State;
use axum::response::Sse;
use axum::response::sse::Event;
use axum::response::sse::KeepAlive;
use futures::Stream;
use futures::StreamExt;
use gatepost_domain::mode::Mode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::App;
use crate::problem::Kind;
use crate::problem::Problem;

/// How soon a browser asks again when the stream ends.
const RECONNECT: Duration = Duration::from_secs(1);

/// How often a silent stream says that it lives; proxies cut silent ones after about a minute.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// How long the hub may take to answer before it counts as stuck.
const PATIENCE: Duration = Duration::from_secs(2);

/// Gatepost serves.
#[derive(Serialize, ToSchema)]
pub(crate) struct Health {
    /// Always `ok`; anything else is a 503.
    status: &'static str,
    /// How many questions are open.
    open_approvals: usize,
}

/// What a new task may name.
#[derive(Serialize, ToSchema)]
pub(crate) struct Choices {
    /// The projects, the default one first.
    projects: Vec<String>,
    /// The modes, most careful first.
    modes: Vec<ModeChoice>,
}

/// An agent, and whether it can work.
#[derive(Serialize, ToSchema)]
pub(crate) struct AgentView {
    /// Its name.
    name: String,
    /// Whether tasks get it that name none.
    default: bool,
    /// `ready`, `cannot work` or `not set up`.
    state: &'static str,
    /// What it is, its version, and what is missing with what to set.
    about: String,
}

/// A mode with what it means.
#[derive(Serialize, ToSchema)]
pub(crate) struct ModeChoice {
    /// Its name.
    name: &'static str,
    /// What it means.
    about: &'static str,
}

/// Every record from now on: the event's name is the record's kind, its data the record as JSON,
/// its id the record's number. A reader that falls behind is cut off; read the task again then.
#[utoipa::path(
    get,
    path = "/api/events",
    responses((status = 200, description = "server-sent events", content_type = "text/event-stream", body = String))
)]
pub(crate) async fn events(
    State(app): State<App>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let records = app.hub.watch().map(|record| {
        let event = Event::default().event(record.event.kind()).id(record.seq.to_string());
        // A record that cannot be written as JSON could not be in the journal either.
        event.json_data(&*record).unwrap_or_else(|_| Event::default().comment("unreadable"))
    });
    // The first event tells the reader that it is connected and how soon to come back.
    let hello = Event::default().event("hello").retry(RECONNECT).data("{}");
    let stream = futures::stream::once(async { hello })
        .chain(records)
        .take_until(app.stop.cancelled_owned())
        .map(Ok);
    Sse::new(stream).keep_alive(KeepAlive::new().interval(HEARTBEAT))
}

/// What a new task may name.
#[utoipa::path(
    get,
    path = "/api/choices",
    responses((status = 200, description = "projects and modes", body = Choices))
)]
pub(crate) async fn choices(State(app): State<App>) -> Answer<Choices> {
    let modes = Mode::ALL
        .into_iter()
        .map(|mode| ModeChoice {
            name: mode.as_str(),
            about: gatepost_chat::card::mode_in_words(mode),
        })
        .collect();
    Answer(Choices { projects: app.hub.projects(), modes })
}

/// Which agents there are, and what each lacks.
#[utoipa::path(
    get,
    path = "/api/agents",
    responses((status = 200, description = "those that could be set up come last", body = [AgentView]))
)]
pub(crate) async fn agents(State(app): State<App>) -> Result<Answer<Vec<AgentView>>, Problem> {
    let lines = app.hub.agents().await?.into_iter().map(|line| {
        let (state, about) = line.words();
        AgentView { name: line.name, default: line.default, state, about }
    });
    Ok(Answer(lines.collect()))
}

/// Whether the hub answers.
#[utoipa::path(
    get,
    path = "/api/health",
    responses(
        (status = 200, description = "it does", body = Health),
        (status = 503, description = "it does not", body = Problem)
    )
)]
pub(crate) async fn health(State(app): State<App>) -> Result<Answer<Health>, Problem> {
    match tokio::time::timeout(PATIENCE, app.hub.approvals()).await {
        Ok(open) => Ok(Answer(Health { status: "ok", open_approvals: open?.len() })),
        Err(_) => Err(Problem::new(
            Kind::Unavailable,
            format!("the hub did not answer within {} s", PATIENCE.as_secs()),
            "look at the log; restart `gatepost up` if it stays so",
        )),
    }
}
