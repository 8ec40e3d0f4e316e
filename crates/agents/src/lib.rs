//! One module per agent: its protocol in, actions and agent events out.
//!
//! [`Agent`] is the seam. An agent proposes and is answered; it never runs anything by itself, and
//! whoever drives it asks the gate in between. [`runbook`] is the agent that needs no model.

mod agent;
pub mod runbook;

pub use agent::Agent;
pub use agent::AgentError;
pub use agent::Answer;
pub use agent::Brief;
pub use agent::Next;
pub use agent::ProposalId;
pub use agent::ShellState;
pub use runbook::Runbook;
