//! The classifier: a language model that weighs what the rules leave open.
//!
//! `prose.rs` holds the policy in words, `dossier.rs` what the model is shown, `prompt.rs` makes
//! the prompt of it and `answer.rs` reads what comes back. [`weigh`] asks in two steps: one word
//! that errs toward flagging, then reasons for what it flagged, with everything before the last
//! instruction the same, so that a provider's cache serves it.
//!
//! INVARIANT (silence is no verdict): whatever keeps the model from a well-formed answer ends in
//! [`NoVerdict`], which asks a person and neither allows nor counts as a denial.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use gatepost_domain::Metered;
use gatepost_domain::Price;
use gatepost_domain::budget::Short;

pub(crate) mod answer;
pub(crate) mod bounds;
mod dossier;
mod prompt;
mod prose;

pub use answer::Authorisation;
pub use answer::Opinion;
pub use answer::Risk;
pub use answer::Ruling;
pub use dossier::Dossier;
pub use dossier::Saying;
pub use dossier::Standing;
pub use prompt::Prompt;
pub use prompt::Question;
pub use prompt::Step;
pub use prose::DEFAULTS;
pub use prose::Lists;
pub use prose::Prose;
pub use prose::ProseError;
pub use prose::Rule;

/// Why there is no verdict. Its words are shown to a person.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoVerdict {
    /// The model cannot be reached, is overloaded or answers with an error.
    #[error("the classifier cannot be reached ({0})")]
    Down(String),
    /// It was not asked, as no more may be spent on models.
    #[error("the classifier was not asked: {why}")]
    Spent {
        /// What was spent.
        why: String,
        /// What people could grant for it to be asked; none where no raise would help.
        short: Option<Box<Short>>,
    },
    /// It did not answer in time.
    #[error("the classifier did not answer in time")]
    TimedOut,
    /// It answered, and not with a verdict.
    #[error("the classifier's answer is no verdict ({0})")]
    Unparseable(String),
    /// The provider refuses to have such a question answered.
    #[error("the classifier's provider refused the question ({0})")]
    Refused(String),
    /// There is more to be shown than the model takes.
    #[error("what the classifier would have to read is too long for it")]
    TooLong,
}

/// What a model said to one step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Its words.
    pub text: String,
    /// What they used.
    pub used: Metered,
    /// How long they took, retries included.
    pub took: Duration,
}

/// One call that a model answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// What was asked.
    pub step: Step,
    /// What it used.
    pub used: Metered,
    /// How long it took.
    pub took: Duration,
}

/// What the first step made of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filtered {
    /// It let the action pass.
    Passed,
    /// It wants it thought about.
    Flagged,
}

/// An answer of a model, later.
pub type Answering = Pin<Box<dyn Future<Output = Result<Said, NoVerdict>> + Send>>;

/// A language model as the gate sees it: it is asked and answers in bounded time, retries included.
pub trait Model: Send + Sync {
    /// The name the configuration gives it.
    fn name(&self) -> &str;
    /// Asks.
    fn ask(&self, prompt: Arc<Prompt>, step: Step) -> Answering;
    /// The most that a prompt may hold, in bytes.
    fn room(&self) -> usize;
    /// What its tokens cost; none where the configuration does not say.
    fn price(&self) -> Option<Price>;
}

/// What came of asking, with what it used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Weighed {
    /// The opinion, or why there is none.
    pub opinion: Result<Opinion, NoVerdict>,
    /// What the first step of the model that was asked last said, where it said anything.
    pub filtered: Option<Filtered>,
    /// Every call that was made, in order, failed ones left out.
    pub calls: Vec<Call>,
}

/// Asks the models in order until one gives a verdict: the first, and the second where the first
/// has none to give.
pub async fn weigh(models: &[Arc<dyn Model>], question: &Question) -> Weighed {
    let mut weighed = Weighed {
        opinion: Err(NoVerdict::Down("no model is set up".into())),
        filtered: None,
        calls: Vec::new(),
    };
    for model in models {
        weighed.filtered = None;
        weighed.opinion = both_steps(model.as_ref(), question, &mut weighed).await;
        if weighed.opinion.is_ok() {
            break;
        }
    }
    weighed
}

async fn both_steps(
    model: &dyn Model,
    question: &Question,
    weighed: &mut Weighed,
) -> Result<Opinion, NoVerdict> {
    let prompt = Arc::new(question.prompt(model.room())?);
    let Said { text, used, took } = model.ask(Arc::clone(&prompt), Step::Filter).await?;
    weighed.calls.push(Call { step: Step::Filter, used, took });
    if answer::passes(&text) {
        weighed.filtered = Some(Filtered::Passed);
        return Ok(Opinion::passed().seen(prompt.left_out));
    }
    weighed.filtered = Some(Filtered::Flagged);
    let left_out = prompt.left_out;
    let Said { text, used, took } = model.ask(prompt, Step::Reason).await?;
    weighed.calls.push(Call { step: Step::Reason, used, took });
    Ok(answer::read(&text, question)?.seen(left_out))
}

#[cfg(test)]
mod tests;
