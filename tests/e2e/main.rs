//! The end-to-end tests, one module a theme. Each starts the real binary.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests may fail as tests do; JSON is indexed by name and null where absent"
)]

mod bad_input;
mod classifier;
mod claude;
mod codex;
mod codex_tries;
mod console;
mod continuing;
mod delivery;
mod discord;
mod discord_failures;
mod discord_questions;
mod discord_soak;
mod egress;
mod fresh;
mod hook;
mod main_job;
mod managed;
mod native;
mod over_protocol;
mod recovery;
mod telegram;
mod telegram_cards;
mod telegram_doctor;
mod telegram_failures;
mod telegram_files;
mod telegram_gap;
mod telegram_owed;
mod telegram_people;
mod telegram_soak;
mod telegram_token;
mod telegram_topics;
mod telegram_voice;
mod telegram_webhook;
mod terminal;
