//! Platform-neutral chat: views to cards, text and buttons to commands; pure.

pub mod agents;
pub mod card;
pub mod command;
pub mod copies;
pub mod door;
pub mod held;
pub mod outbox;
pub mod pairing;
pub mod people;
pub mod port;
pub mod quiet;
pub mod render;
pub mod report;
pub mod rich;
pub mod time;
pub mod token;
pub mod visible;
