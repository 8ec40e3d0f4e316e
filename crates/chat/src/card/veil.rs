//! A card for where others read along: how a task stands, and nothing of what it acts on.

use super::Entry;
use super::ResultCard;
use super::Speaker;
use super::TaskCard;
use super::Tone;
use crate::visible::Shown;

impl TaskCard {
    /// The same task for a group whose questions are asked in private: how it stands and of what
    /// sort its actions are, but no command, path, host or word of the agent. What people wrote
    /// themselves stays.
    #[must_use]
    pub fn veiled(self) -> Self {
        let entries = self.entries.into_iter().filter_map(veil).collect();
        let result = self.result.map(veil_result);
        Self { entries, result, diff: Vec::new(), ..self }
    }
}

fn veil(entry: Entry) -> Option<Entry> {
    match entry {
        Entry::Step { key, at, tool, action: _, facts: _, verdict: _, words, tone, output: _ } => {
            let action = Shown { text: sort(tool).to_owned(), notes: Vec::new(), masked: 0 };
            Some(Entry::Step {
                key,
                at,
                tool,
                action,
                facts: Vec::new(),
                verdict: String::new(),
                words: without_detail(&words).to_owned(),
                tone,
                output: None,
            })
        }
        Entry::Approval { key, at, mut card } => {
            card.action = Shown { text: card.title.to_owned(), notes: Vec::new(), masked: 0 };
            card.effect.clear();
            card.diff.clear();
            card.rule.clear();
            card.reason.clear();
            card.facts.clear();
            card.evidence.clear();
            Some(Entry::Approval { key, at, card })
        }
        // The agent may repeat what it runs, and so may what the sandbox and the network say.
        Entry::Note { speaker: Speaker::Agent | Speaker::Gatepost, .. } => None,
        Entry::Note { speaker: Speaker::Person, .. } => Some(entry),
    }
}

fn veil_result(result: ResultCard) -> ResultCard {
    let short = result.short.iter().map(|part| without_detail(part).to_owned()).collect();
    let delivery = result.delivery.map(|(words, tone)| match tone {
        Tone::Bad => ("not delivered; /status in a private chat says why".to_owned(), tone),
        Tone::Quiet | Tone::Busy | Tone::Ask | Tone::Good => (words, tone),
    });
    // Its reason may be the agent's own answer.
    ResultCard { reason: String::new(), short, sections: Vec::new(), delivery, ..result }
}

/// What stands before a colon or a code mark: what follows it names hosts, paths and commands.
fn without_detail(words: &str) -> &str {
    words.split([':', '`']).next().unwrap_or_default().trim_end()
}

/// Of which sort an action is, by its tool.
fn sort(tool: &str) -> &'static str {
    match tool {
        "bash" => "a command",
        "read" => "reading a file",
        "write" => "writing a file",
        "edit" => "changing a file",
        "fetch" => "fetching a web address",
        "python" => "Python",
        _ => "a tool",
    }
}
