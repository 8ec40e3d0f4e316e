//! The agents that a task can be given to, and what each of them lacks.

use crate::rich::Rich;
use crate::rich::Style;

/// One agent, as a list of them shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentLine {
    /// Its name, as `@name` chooses it.
    pub name: String,
    /// What it is, in words.
    pub about: String,
    /// Whether tasks get it that name none.
    pub default: bool,
    /// Whether it can work.
    pub fitness: Fitness,
}

/// Whether an agent can be given a task, in words for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fitness {
    /// It can.
    Ready {
        /// Its version, whether that was tried, and what else should be known; one phrase each.
        notes: Vec<String>,
    },
    /// It cannot; tasks for it are refused.
    Lacking {
        /// What is missing, each with what to do about it.
        what: Vec<String>,
    },
    /// This Gatepost can drive it, and the configuration does not name it.
    NotSetUp {
        /// What to set.
        how: String,
    },
}

impl AgentLine {
    /// Its state in one word or two, and the rest of it.
    #[must_use]
    pub fn words(&self) -> (&'static str, String) {
        let Self { name: _, about, default: _, fitness } = self;
        let (state, parts) = match fitness {
            Fitness::Ready { notes } => {
                ("ready", [std::slice::from_ref(about), notes.as_slice()].concat())
            }
            Fitness::Lacking { what } => ("cannot work", what.clone()),
            Fitness::NotSetUp { how } => ("not set up", vec![about.clone(), how.clone()]),
        };
        (state, parts.join("; "))
    }

    /// The line as plain text.
    #[must_use]
    pub fn text(&self) -> String {
        let (state, rest) = self.words();
        format!("{}{}: {state}; {rest}", self.name, self.mark())
    }

    fn mark(&self) -> &'static str {
        if self.default { " (default)" } else { "" }
    }
}

/// All of them, for a message.
#[must_use]
pub fn list(lines: &[AgentLine]) -> Rich {
    let mut list = Rich::new();
    for line in lines {
        let (state, rest) = line.words();
        list = list
            .styled(Style::Code, &line.name)
            .plain(line.mark())
            .plain(": ")
            .styled(Style::Bold, state)
            .plain(&format!("; {rest}\n"));
    }
    list.plain("\nA task names one with @name at its start, a chat chooses one with /agent.")
}

/// Whether a chat can choose an agent for its tasks.
///
/// # Errors
/// Why not, in words for whoever chose it.
pub fn choose(lines: &[AgentLine], name: &str) -> Result<(), String> {
    let Some(line) = lines.iter().find(|line| line.name == name) else {
        let names: Vec<_> = lines.iter().map(|line| line.name.as_str()).collect();
        let names = names.join(", ");
        return Err(format!("There is no such agent; there are {names}. /agents says more."));
    };
    match line.fitness {
        Fitness::Ready { .. } => Ok(()),
        Fitness::Lacking { .. } | Fitness::NotSetUp { .. } => {
            Err(format!("Nothing was changed: {}.", line.text()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_agent_says_whether_it_can_work_and_what_to_set() {
        let line = |name: &str, default, fitness| AgentLine {
            name: name.into(),
            about: "an agent".into(),
            default,
            fitness,
        };
        let ready = Fitness::Ready { notes: vec!["version 1.2.3".into(), "model `m`".into()] };
        let lacking = Fitness::Lacking { what: vec!["no key; put one there".into()] };
        let absent = Fitness::NotSetUp { how: "set it up with `[agents.c]`".into() };
        let lines = [line("a", true, ready), line("b", false, lacking), line("c", false, absent)];
        let expect = [
            "a (default): ready; an agent; version 1.2.3; model `m`",
            "b: cannot work; no key; put one there",
            "c: not set up; an agent; set it up with `[agents.c]`",
        ];
        let told = list(&lines);
        for (line, expect) in lines.iter().zip(expect) {
            assert_eq!(line.text(), expect);
            assert!(told.text().contains(expect), "{}", told.text());
        }
        assert!(told.text().contains("/agent"), "{}", told.text());
        assert_eq!(choose(&lines, "a"), Ok(()));
        assert!(choose(&lines, "b").unwrap_err().contains("no key; put one there"));
        assert!(choose(&lines, "c").unwrap_err().contains("[agents.c]"));
        assert!(choose(&lines, "d").unwrap_err().contains("there are a, b, c"));
    }
}
