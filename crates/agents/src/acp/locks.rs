//! What each agent is started with so that it asks before every tool, loads nothing of the
//! repository's settings and reaches nothing but its model.
//!
//! An agent without an entry is driven only where its configuration says that the sandbox alone
//! holds it, as the protocol leaves to each agent what it asks about. Left out on purpose: the
//! adapter of Codex, which asks about nothing that its own sandbox holds; Codex is driven by
//! [`crate::codex`].

use gatepost_domain::agent::Gating;
use gatepost_models::Api;
use serde_json::Value;

use crate::acp::calls::Call;
use crate::roster::ModelAccess;
use crate::telling::text;

mod claude;
mod gemini;
mod opencode;

pub use claude::CLAUDE;
pub use gemini::GEMINI;
pub use opencode::OPENCODE;

/// The variable that holds the model token, where settings name it.
pub(super) const TOKEN: &str = "GATEPOST_MODEL_TOKEN";

/// What one agent is locked down with.
#[derive(Debug)]
pub struct Lock {
    /// Its name in the configuration.
    pub name: &'static str,
    /// Its name for people.
    pub title: &'static str,
    /// Its program, as `PATH` knows it.
    pub program: &'static str,
    /// The versions this was tried with, by the worker's own tests.
    pub tested: &'static [&'static str],
    /// The model APIs it speaks.
    pub apis: &'static [Api],
    /// What it is held by.
    pub gating: Gating,
    /// What it calls itself; none when it may be anybody.
    pub(super) says_it_is: Option<&'static str>,
    /// How its program is told to speak the protocol; `{home}` is its home.
    pub(super) arguments: &'static [&'static str],
    /// Its environment, besides its model; `{home}` is its home.
    pub(super) env: &'static [(&'static str, &'static str)],
    /// What is taken out of its home before it starts, below that: settings that a command of an
    /// earlier run could have written.
    pub(super) sweep: &'static [&'static str],
    /// What is written there after that: each file with what it holds.
    pub(super) files: &'static [(&'static str, &'static str)],
    /// What a shell does in its home last, before it starts.
    pub(super) before: &'static str,
    /// What a conversation is begun with beside the protocol, as its `_meta`.
    pub(super) session: Option<fn() -> Value>,
    /// The mode a conversation must ask by, where it has several.
    pub(super) mode: Option<&'static str>,
    /// The update that tells that a conversation which was taken up has been told again, where its
    /// answer comes earlier.
    pub(super) told_again: Option<&'static str>,
    /// When and how it asks.
    pub(super) asks: Asks,
    /// What a refusal does to it.
    pub(super) refusal: Refusal,
    /// Tools it may use without asking, as they touch nothing outside of it: by their name, and
    /// only where they are of the kind `other`.
    pub(super) free: &'static [&'static str],
    /// How the end of a command begins that failed before it was asked about; a command that
    /// failed otherwise has run.
    pub(super) failed_before: FailedBefore,
    /// What it says or asks of us although it is not offered, and does without.
    pub(super) tries: &'static [&'static str],
    /// The variables that set up its model.
    pub(super) model: fn(&ModelAccess, Api) -> Vec<(String, String)>,
}

/// When an agent asks, and what its question says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asks {
    /// Before the whole input of its tool is told, which follows with `in_progress`.
    Early,
    /// With the whole input in the question.
    Whole,
    /// Without the input: it is shown in title, content and places.
    Shown,
    /// Nobody knows.
    AsItLikes,
}

/// What a refusal does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It ends the turn, and every other question with it; its reason is told next.
    EndsTurn {
        /// How the end of a use begins that was given up with another's refusal.
        given_up: &'static str,
    },
    /// It is an error, and its model reads the words of it.
    Told,
    /// Its model reads that it was refused and goes on; the reason is told next.
    GoesOn,
}

/// How a command that failed before it was asked about is known from one that ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FailedBefore {
    /// There is no such thing.
    Never,
    /// Its output begins like this.
    Says(&'static str),
    /// It was never told to be under way, as every one that runs is.
    NeverBegan,
}

/// There is one of each name.
impl PartialEq for Lock {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Lock {}

impl Lock {
    /// Whether it may use a tool without asking.
    pub(super) fn is_free(&self, call: &Call) -> bool {
        call.kind == "other" && self.free.contains(&call.title.as_str())
    }

    /// Whether a use that failed without having been asked about did nothing. What cannot be done
    /// at all fails before it is asked about; a command would have run.
    pub(super) fn did_nothing(&self, call: &Call, update: &Value) -> bool {
        call.kind != "execute"
            || match self.failed_before {
                FailedBefore::Never => false,
                FailedBefore::Says(start) => {
                    text(update, "rawOutput").is_some_and(|words| words.starts_with(start))
                }
                FailedBefore::NeverBegan => !call.begun(),
            }
    }
}

/// An agent that nothing is known of: it is held by the sandbox alone.
pub static UNLOCKED: Lock = Lock {
    name: "",
    title: "",
    program: "",
    tested: &[],
    apis: &[Api::Anthropic, Api::OpenAi, Api::OpenAiResponses, Api::Gemini, Api::Ollama],
    gating: Gating::SandboxOnly,
    says_it_is: None,
    arguments: &[],
    env: &[],
    sweep: &[],
    files: &[],
    before: "",
    session: None,
    mode: None,
    told_again: None,
    asks: Asks::AsItLikes,
    refusal: Refusal::GoesOn,
    free: &[],
    failed_before: FailedBefore::NeverBegan,
    tries: &["fs/read_text_file", "fs/write_text_file", "terminal/create"],
    model: |_, _| Vec::new(),
};
