//! What the adapter is told once, at its start.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::token::Token;

/// What the adapter is told once, at its start, beside what every chat is told.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The bot's token.
    pub token: Token,
    /// What takes the place of `https://discord.com`; Discord itself when left out.
    pub proxy: Option<String>,
    /// The servers that are listened to, by Discord's number of them.
    pub guilds: BTreeSet<u64>,
    /// The channels in which every message is for the bot, with the project of each.
    pub channels: BTreeMap<u64, String>,
    /// Where it is remembered how far channels were read.
    pub memory: PathBuf,
    /// What every chat is told.
    pub desk: gatepost_desk::settings::Settings,
}
