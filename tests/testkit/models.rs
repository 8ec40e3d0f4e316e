//! Strict fakes of model APIs: each plays a script of turns and checks every request it sees.

pub mod anthropic;

pub use anthropic::FakeAnthropic;
pub use anthropic::Play;
