//! Approvals: what is asked, and the answer.

use axum::Json as Answer;
use axum::extract::State;
use gatepost_chat::card;
use gatepost_domain::action::Action;
use gatepost_domain::action::ActionDigest;
use gatepost_domain::action::BoundFile;
use gatepost_domain::approval::Approval;
use gatepost_domain::approval::Decision;
use gatepost_domain::approval::Form;
use gatepost_domain::approval::Settlement;
use gatepost_domain::id::ApprovalId;
use gatepost_domain::id::TaskId;
use gatepost_domain::principal::Principal;
use gatepost_domain::request::Consequence;
use gatepost_domain::verdict::Evidence;
use gatepost_domain::verdict::Stage;
use jiff::Timestamp;
use serde::Deserialize;
use serde::Serialize;
use utoipa::ToSchema;

use super::input::Id;
use super::input::Json;
use crate::App;
use crate::problem::About;
use crate::problem::Kind;
use crate::problem::Problem;

/// An open question.
#[derive(Serialize, ToSchema)]
pub(crate) struct ApprovalView {
    /// Its id.
    #[schema(value_type = String, example = "3f9k2m7qd0xw5tzr")]
    id: ApprovalId,
    /// The task that asks.
    #[schema(value_type = String, example = "t7k2qd")]
    task: TaskId,
    /// The action, whole, as in the journal.
    #[schema(value_type = Object)]
    action: Action,
    /// Why a person is asked.
    reason: String,
    /// Which rule asks.
    rule: String,
    /// Where in the gate's order it fell.
    #[schema(value_type = String)]
    stage: Stage,
    /// What will happen, to what.
    effect: String,
    /// The facts it rests on.
    #[schema(value_type = Vec<Object>)]
    evidence: Vec<Evidence>,
    /// When it was asked.
    #[schema(value_type = String, format = DateTime)]
    asked_at: Timestamp,
    /// When it is denied by itself.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
    /// What exactly would run: SHA-256 over the action and the files it names.
    #[schema(value_type = String)]
    digest: ActionDigest,
    /// The files whose bytes the digest binds.
    #[schema(value_type = Vec<Object>)]
    bound: Vec<BoundFile>,
    /// Whether `approve-edited` is possible: `editable` or `fixed`.
    #[schema(value_type = String)]
    form: Form,
}

/// An answer to a question.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DecisionRequest {
    /// `approve`, `approve-for-task`, `approve-edited` or `deny`.
    #[schema(value_type = String, example = "approve")]
    decision: Word,
    /// Words to the agent, with a denial.
    reason: Option<String>,
    /// With `approve-edited`: the command, content, address or input as it is to run instead.
    edited: Option<String>,
}

/// The answers by their words.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Word {
    Approve,
    ApproveForTask,
    ApproveEdited,
    Deny,
}

/// What came of an answer.
#[derive(Serialize, ToSchema)]
pub(crate) struct Decided {
    /// The question.
    #[schema(value_type = String)]
    id: ApprovalId,
    /// The task that asked.
    #[schema(value_type = String)]
    task: TaskId,
    /// How it is settled, as in the journal.
    #[schema(value_type = Object)]
    settlement: Settlement,
    /// How it is settled, in words.
    decided: String,
    /// `told`, `requeued` or `ends`.
    #[schema(value_type = String)]
    consequence: Consequence,
    /// What really happened, in words for the card.
    receipt: String,
}

impl ApprovalView {
    pub(crate) fn of(task: &TaskId, approval: &Approval) -> Self {
        let judgement = approval.judgement.clone();
        Self {
            id: approval.id.clone(),
            task: task.clone(),
            action: approval.action.clone(),
            reason: judgement.reason,
            rule: judgement.rule,
            stage: judgement.stage,
            effect: judgement.effect,
            evidence: judgement.evidence,
            asked_at: approval.asked_at,
            expires_at: approval.expires_at,
            digest: approval.digest.clone(),
            bound: approval.bound.clone(),
            form: approval.form,
        }
    }
}

/// Open questions, oldest first.
#[utoipa::path(
    get,
    path = "/api/approvals",
    responses((status = 200, description = "the open questions", body = Vec<ApprovalView>))
)]
pub(crate) async fn list(State(app): State<App>) -> Result<Answer<Vec<ApprovalView>>, Problem> {
    let open = app.hub.approvals().await?;
    Ok(Answer(open.iter().map(|open| ApprovalView::of(&open.task, &open.approval)).collect()))
}

/// Answers a question, once.
#[utoipa::path(
    post,
    path = "/api/approvals/{id}",
    params(("id" = String, Path, description = "the question")),
    request_body = DecisionRequest,
    responses(
        (status = 200, description = "this answer settled it", body = Decided),
        (status = 404, description = "no such question", body = Problem),
        (status = 409, description = "already settled or expired; `decided` says how", body = Problem)
    )
)]
pub(crate) async fn answer(
    State(app): State<App>,
    Id(id): Id<ApprovalId>,
    Json(request): Json<DecisionRequest>,
) -> Result<Answer<Decided>, Problem> {
    let DecisionRequest { decision, reason, edited } = request;
    let reason = reason.filter(|words| !words.trim().is_empty());
    let by = Principal::console();
    let decision = match (decision, edited) {
        (Word::Approve, None) => Ok(Decision::Approve),
        (Word::ApproveForTask, None) => Ok(Decision::ApproveForTask),
        (Word::Deny, None) => Ok(Decision::Deny),
        (Word::ApproveEdited, Some(text)) => Err(text),
        (Word::ApproveEdited, None)
        | (Word::Approve | Word::ApproveForTask | Word::Deny, Some(_)) => {
            let hint = "say `approve-edited` with the changed text in `edited`, or leave both out";
            let detail = "`approve-edited` and `edited` go together".to_owned();
            return Err(Problem::new(Kind::Invalid, detail, hint));
        }
    };
    let answered = match decision {
        Ok(decision) => app.hub.answer(by, id.clone(), decision, reason).await?,
        Err(text) => app.hub.answer_edited(by, id.clone(), text).await?,
    };
    let receipt = card::receipt(&answered);
    // A tap after its time settles the question as expired, which is not what was answered.
    let mine = matches!(answered.settlement, Settlement::Person { .. } | Settlement::Edited { .. });
    match answered.consequence {
        Consequence::Told | Consequence::Requeued | Consequence::Ends if mine => {
            Ok(Answer(Decided {
                id,
                task: answered.task,
                decided: answered.settlement.words(),
                settlement: answered.settlement,
                consequence: answered.consequence,
                receipt,
            }))
        }
        Consequence::Told | Consequence::Requeued | Consequence::Ends | Consequence::TooLate => {
            let hint = "this answer changed nothing; the task shows how it went on";
            let about = About {
                task: answered.task.into(),
                decided: Some(answered.settlement.words()),
                settlement: Some(answered.settlement),
                path: None,
            };
            Err(Problem::new(Kind::Conflict, receipt, hint).about(about))
        }
    }
}
