//! A card for where others read along: how a task stands, and nothing of what it acts on.

use super::Entry;
use super::ResultCard;
use super::Speaker;
use super::TaskCard;
use super::TaskLine;
use super::Tone;
use crate::visible::Shown;

impl TaskCard {
    /// The same task for a group whose questions are asked in private: how it stands and of what
    /// sort its actions are, but no command, path, host or word of the agent, and no word that a
    /// person wrote to it. What it was asked for stays where it was asked, which is here or not.
    #[must_use]
    pub fn veiled(self, asked_here: bool) -> Self {
        let entries = self.entries.into_iter().filter_map(veil).collect();
        let result = self.result.map(veil_result);
        let line = if asked_here { self.line } else { self.line.untitled() };
        let asks = self.asks.map(|_| "a question; /status in a private chat shows it".to_owned());
        // The others name directories, files and what was said.
        let open = ["Agent", "Mode", "Asked by", "Runs again"];
        let facts = self.facts.into_iter().filter(|fact| open.contains(&fact.label.as_str()));
        let facts = facts.collect();
        Self { line, facts, entries, result, diff: Vec::new(), asks, ..self }
    }
}

impl TaskLine {
    /// The same without what was asked.
    #[must_use]
    pub fn untitled(self) -> Self {
        Self { title: "asked in another chat".to_owned(), ..self }
    }
}

fn veil(entry: Entry) -> Option<Entry> {
    match entry {
        Entry::Step {
            key,
            at,
            tool,
            action: _,
            facts: _,
            verdict: _,
            words,
            tone,
            output: _,
            denial: _,
        } => {
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
                // Whoever does not see what it is about does not let it run.
                denial: None,
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
        // The agent may repeat what it runs, and so may what the sandbox and the network say; a
        // person may have written elsewhere.
        Entry::Note { speaker: Speaker::Agent | Speaker::Gatepost | Speaker::Person, .. } => None,
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
