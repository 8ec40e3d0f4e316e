//! Strict fakes of model APIs: each plays a script of turns and checks every request it sees.
//!
//! A turn is written once, as blocks of [`text`] and [`call`]s, and said in the form of each API.

pub mod anthropic;
pub mod chat;
pub mod gemini;
pub mod responses;
pub mod script;

pub use anthropic::FakeAnthropic;
pub use chat::FakeChat;
pub use gemini::FakeGemini;
pub use script::Play;
pub use script::call;
pub use script::text;

#[cfg(test)]
mod tests;
