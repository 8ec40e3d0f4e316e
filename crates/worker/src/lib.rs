//! One run on one machine: workspace, sandbox, agent and gate, to a report.
//!
//! [`Worker::serve`] takes what the hub says and owns the runs; `run.rs` is one run, readable top to
//! bottom; `working.rs` is what it does while its agent works; `exec.rs` is the only place that makes a cleared action run.
//!
//! INVARIANT (durable first): nothing runs before the hub has recorded its verdict and its start,
//! because [`HubLink::report`] returns only then.

mod bound;
mod exec;
mod files;
mod ground;
mod inbox;
mod link;
mod model;
mod network;
mod outbox;
mod preview;
mod program;
mod raising;
mod reading;
mod run;
mod scanning;
mod spending;
mod storage;
mod tools;
mod weighing;
mod worker;
mod working;

pub use files::Files;
pub use link::HubLink;
pub use link::LinkError;
pub use scanning::Reader;
pub use storage::kept_diff;
pub use storage::remove_home;
pub use weighing::Classifier;
pub use worker::Worker;
pub use worker::WorkerConfig;
