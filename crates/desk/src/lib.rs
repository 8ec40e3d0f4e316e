//! The desk of a chat platform: one owner of what its adapter knows, the same for every platform.
//!
//! A platform's crate reads what comes in as [`inbound::Inbound`], hands it over with
//! [`intake::take`], and carries out what the desk wants said as a [`surface::Surface`]. What is
//! said, to whom, when and with which buttons is decided here and in `gatepost-chat`, once.

//!
//! INVARIANT (buttons decide): only a press of an approver on an open question's button approves.
//! INVARIANT (said is true): a message is made from the task's records at the moment it is sent.

mod desk;
pub mod inbound;
pub mod intake;
pub mod place;
pub mod settings;
pub mod surface;
mod transcribe;

pub use desk::Bot;
pub use desk::Groups;
pub use desk::Parts;
pub use desk::serve;
pub use transcribe::Transcriber;
