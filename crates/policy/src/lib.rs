//! Shell text to parsed facts, and rules and modes to an evaluation; pure.
//!
//! `shell` parses, `steps` splits a script, `walk` finds every program, `programs` knows what programs do,
//! `written` judges files the task wrote, `facts` holds what was found, `rules` reads what people wrote, `evaluate` decides. Nothing here
//! has a clock, a file, a socket or randomness. INVARIANT (closed): whatever is not understood
//! ends in [`facts::Kind::NotUnderstood`], which nothing allows, or in [`facts::Kind::Open`], which
//! only a rule that a person wrote allows.

mod effects;
pub mod evaluate;
pub mod facts;
mod inline;
mod inside;
pub mod paths;
mod programs;
pub mod rules;
pub mod shell;
mod steps;
mod walk;
mod word;
pub mod written;

pub use evaluate::Policy;
pub use evaluate::evaluate;
pub use evaluate::evaluate_facts;
pub use evaluate::left_open;
pub use evaluate::unattended;
pub use facts::Access;
pub use facts::ActionFacts;
pub use facts::Context;
pub use facts::bound_paths;
pub use rules::RuleError;
pub use rules::RuleSet;
pub use rules::Tier;
pub use shell::NotUnderstood;
pub use steps::split_steps;
pub use written::Content;
pub use written::Written;
