//! The desk of a chat platform: one owner of what its adapter knows, the same for every platform.
//!
//! A platform's crate reads what comes in as [`inbound::Inbound`], hands it over with
//! [`intake::take`], and carries out what the desk wants said as a [`surface::Surface`]. What is
//! said, to whom, when and with which buttons is decided here and in `gatepost-chat`, once.

pub mod inbound;
pub mod intake;
pub mod place;
pub mod surface;
