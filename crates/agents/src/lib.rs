//! One module per agent: its protocol in, actions and agent events out.
//!
//! [`Agent`] is the seam. An agent proposes and is answered; whoever drives it asks the gate in
//! between. Some leave the execution to the worker, and some are whole programs that live in the
//! sandbox and execute there once they are told that they may ([`program`]). [`runbook`] is the
//! agent that needs no model.

pub mod acp;
mod agent;
pub mod claude;
pub mod codex;
pub mod install;
pub mod native;
pub mod program;
mod roster;
pub mod runbook;
mod telling;
mod thread;

pub use agent::Agent;
pub use agent::AgentError;
pub use agent::Answer;
pub use agent::Brief;
pub use agent::Executor;
pub use agent::Next;
pub use agent::ProposalId;
pub use agent::Resume;
pub use agent::ShellState;
pub use agent::Words;
pub use native::Native;
pub use roster::Hired;
pub use roster::ModelAccess;
pub use roster::Place;
pub use roster::Prepared;
pub use roster::Roster;
pub use runbook::Runbook;
