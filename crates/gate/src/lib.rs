//! Reviews an action and makes the only proof of clearance an executor accepts.
//!
//! `gate.rs` is one run's gate: it asks the policy, then the grants, then the classifier
//! (`classifier.rs`), then the circuit breaker (`breaker.rs`). `review.rs` holds what
//! came of it and the two ways from there to a [`Cleared`]; `switch.rs`
//! turns modes off, and `bounds.rs` finds what a person forbade in words. `scan.rs` looks through
//! results before the agent reads them.
//!
//! INVARIANT (one door): a [`Cleared`] has no public constructor. It is made of an `allow`, or of
//! a person's approval of exactly the digest that was shown, and of nothing else.

mod bounds;
mod breaker;
pub mod classifier;
mod gate;
mod review;
pub mod scan;
mod suspicion;
mod switch;

pub use breaker::MAX_DENIALS_IN_A_ROW;
pub use breaker::MAX_DENIALS_IN_A_TASK;
pub use breaker::MAX_DENIALS_IN_WINDOW;
pub use breaker::WINDOW;
pub use gate::Gate;
pub use gate::Looked;
pub use gate::NobodyThere;
pub use gate::Open;
pub use gate::Restrictions;
pub use gatepost_policy::Context;
pub use gatepost_policy::NotUnderstood;
pub use gatepost_policy::Policy;
pub use gatepost_policy::RuleSet;
pub use gatepost_policy::Tier;
pub use gatepost_policy::split_steps;
pub use gatepost_policy::written::LONGEST as LONGEST_CONTENT;
pub use review::Cleared;
pub use review::Review;
pub use switch::AutoSwitch;
pub use switch::BypassSwitch;

/// Where a run is judged from: its workspace, the home it sees, and what belongs to Gatepost.
#[must_use]
pub fn context(workspace: &str, home: &str, data_dir: &str) -> Context {
    let mut context = Context::new(workspace, home, workspace);
    context.gate_paths = vec![data_dir.to_owned()];
    context
}
