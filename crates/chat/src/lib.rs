//! Platform-neutral chat: views to cards, text and buttons to commands; pure.

pub mod port;
