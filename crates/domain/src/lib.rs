//! The nouns, ids and events of Gatepost, and the whole life of a task as pure functions.
//!
//! Nothing here reads a clock, draws a random number, opens a file or waits: every such value comes
//! in as an argument. That is what lets a journal be replayed to the same state years later.

pub mod action;
pub mod agent;
pub mod approval;
pub mod boundary;
pub mod budget;
pub mod changes;
pub mod chat;
pub mod deed;
pub mod dispatch;
pub mod egress;
pub mod event;
pub mod id;
pub mod injection;
pub mod lifecycle;
pub mod message;
pub mod mode;
pub mod outcome;
pub mod principal;
pub mod request;
pub mod secrets;
pub mod summary;
pub mod task;
pub mod usage;
pub mod verdict;

pub use action::Action;
pub use action::ActionDigest;
pub use approval::Approval;
pub use approval::Decision;
pub use changes::ChangeSet;
pub use chat::ChatNote;
pub use chat::Origin;
pub use event::Event;
pub use event::Record;
pub use id::ActionId;
pub use id::ApprovalId;
pub use id::RunNumber;
pub use id::TaskId;
pub use message::Attachment;
pub use message::Message;
pub use mode::Mode;
pub use outcome::Outcome;
pub use principal::Principal;
pub use task::TaskSpec;
pub use usage::Cost;
pub use usage::Metered;
pub use usage::Price;
pub use usage::Usage;
pub use usage::VerdictCost;
pub use verdict::Judgement;
pub use verdict::Verdict;
