//! Platform-neutral chat: views to cards, text and buttons to commands; pure.

pub mod card;
pub mod port;
pub mod report;
pub mod time;
pub mod visible;
