//! Agents against what they talk to.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may fail as tests do")]

mod native;
mod provider;
