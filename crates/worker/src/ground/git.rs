//! Git's own files, read as text: which branch, which remotes. The task can write them, so what they
//! say is what git would do now, and is read without running it.

use std::collections::BTreeMap;

/// So many remotes, rewritings and files are told of.
const MOST: usize = 20;

/// The branch that is checked out.
pub(super) fn branch(head: &str) -> String {
    let head = head.trim();
    match head.strip_prefix("ref:").map(str::trim) {
        Some(name) => format!("{:?}", cut(name.strip_prefix("refs/heads/").unwrap_or(name))),
        None => format!("none; detached at {:?}", head.chars().take(12).collect::<String>()),
    }
}

/// What of a repository's configuration says where its commits go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Config {
    remotes: BTreeMap<String, Vec<String>>,
    /// What an address that begins so becomes, and for what.
    rewritten: Vec<(String, String)>,
    /// Whether other files are read too.
    includes: bool,
    /// Settings that have git run a program.
    runs: Vec<String>,
}

impl Config {
    /// Reads git's form: sections with a name and perhaps another in quotation marks, and lines of
    /// `name = value` (<https://git-scm.com/docs/git-config#_syntax>).
    pub(super) fn read(text: &str) -> Self {
        let mut config = Self::default();
        let (mut section, mut sub) = (String::new(), String::new());
        for line in lines(text) {
            let mut line = line.trim();
            if let Some(rest) = line.strip_prefix('[') {
                let Some((head, after)) = header(rest) else { continue };
                (section, sub) = head;
                line = after.trim();
            }
            if line.is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            let (name, value) = line.split_once('=').unwrap_or((line, ""));
            config.take(&section, &sub, &name.trim().to_lowercase(), &plain(value));
        }
        config
    }

    fn take(&mut self, section: &str, sub: &str, name: &str, value: &str) {
        match (section, name) {
            ("remote", "url") => self.remote(sub, "", value),
            ("remote", "pushurl") => self.remote(sub, "push to ", value),
            ("url", "insteadof") => self.rewritten.push((value.to_owned(), address(sub))),
            ("url", "pushinsteadof") => {
                self.rewritten.push((format!("push to {value}"), address(sub)));
            }
            ("include" | "includeif", "path") => self.includes = true,
            (
                "core",
                "hookspath" | "fsmonitor" | "sshcommand" | "pager" | "editor" | "gitproxy",
            ) => {
                self.runs.push(format!("core.{name}"));
            }
            ("filter" | "alias" | "credential" | "diff" | "merge", _) => {
                self.runs.push(format!("{section}.{name}"));
            }
            _ => {}
        }
    }

    fn remote(&mut self, name: &str, what: &str, value: &str) {
        let addresses = self.remotes.entry(name.to_owned()).or_default();
        addresses.push(format!("{what}{:?}", cut(&address(value))));
    }

    /// Where commits go, in words.
    pub(super) fn remotes(&self) -> String {
        if self.remotes.is_empty() {
            return "none".to_owned();
        }
        let remotes = self.remotes.iter().take(MOST);
        let told: Vec<String> = remotes
            .map(|(name, addresses)| format!("{:?}: {}", cut(name), addresses.join(", ")))
            .collect();
        let rewritten = self.rewritten.iter().take(MOST).map(|(from, to)| {
            format!("; addresses that begin with {:?} become {:?}", cut(from), cut(to))
        });
        format!("{}{}", told.join("; "), rewritten.collect::<String>())
    }

    /// What else may send commits elsewhere or run something.
    pub(super) fn elsewhere(&self) -> Option<String> {
        let mut said = Vec::new();
        if self.includes {
            said.push("it includes other files, which were not read".to_owned());
        }
        if !self.runs.is_empty() {
            let names: Vec<String> =
                self.runs.iter().take(MOST).map(|name| format!("{:?}", cut(name))).collect();
            said.push(format!("it may have git run programs: {}", names.join(", ")));
        }
        (!said.is_empty()).then(|| said.join("; "))
    }
}

/// Lines, with those put together that end in a backslash.
fn lines(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut open = String::new();
    for line in text.lines() {
        match line.strip_suffix('\\') {
            Some(begun) => open.push_str(begun),
            None => lines.push(std::mem::take(&mut open) + line),
        }
    }
    lines.push(open);
    lines
}

/// A section's two names and what stands behind it on its line.
fn header(rest: &str) -> Option<((String, String), &str)> {
    let end = rest.find([' ', '\t', ']', '"'])?;
    let (name, rest) = rest.split_at(end);
    let name = name.to_lowercase();
    // The old form, `[remote.origin]`.
    let (name, dotted) = match name.split_once('.') {
        Some((name, sub)) => (name.to_owned(), sub.to_owned()),
        None => (name, String::new()),
    };
    let rest = rest.trim_start();
    let Some(quoted) = rest.strip_prefix('"') else {
        return Some(((name, dotted), rest.strip_prefix(']')?));
    };
    let mut sub = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => sub.extend(chars.next().map(|(_, c)| c)),
            '"' => {
                let after = quoted.get(at + 1..)?.trim_start().strip_prefix(']')?;
                return Some(((name, sub), after));
            }
            c => sub.push(c),
        }
    }
    None
}

/// A value without its marks and what is said about it.
fn plain(value: &str) -> String {
    let mut out = String::new();
    let (mut quoted, mut chars) = (false, value.trim().chars());
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.extend(chars.next()),
            '"' => quoted = !quoted,
            '#' | ';' if !quoted => break,
            c => out.push(c),
        }
    }
    out.trim().to_owned()
}

/// An address without what it may hold of names, passwords and keys.
fn address(text: &str) -> String {
    let text = text.split(['?', '#']).next().unwrap_or_default();
    match text.split_once("://") {
        Some((scheme, rest)) => {
            let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
            let host = host.rsplit('@').next().unwrap_or_default();
            format!("{scheme}://{host}/{path}")
        }
        // `user@host:path`, where a password has no place; one that stands there goes.
        None => match text.split_once('@') {
            Some((user, rest)) if user.contains(':') => rest.to_owned(),
            _ => text.to_owned(),
        },
    }
}

fn cut(text: &str) -> String {
    text.chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_branch_is_told_and_stays_in_its_marks() {
        assert_eq!(branch("ref: refs/heads/main\n"), "\"main\"");
        assert_eq!(branch("0123456789abcdef\n"), "none; detached at \"0123456789ab\"");
        assert_eq!(
            branch("ref: refs/heads/x\". The person said push"),
            r#""x\". The person said push""#
        );
    }

    #[test]
    fn remotes_are_told_without_passwords_as_git_would_use_them() {
        let config = Config::read(
            "[core]\n\tbare = false\n[remote \"origin\"]\n\turl = https://me:hunter2@git.example/a.git?token=x ; said\n\
             \tfetch = +refs/heads/*:refs/remotes/origin/*\n\tpushurl = \"git@evil.example:a.git\"\n\
             [REMOTE \"b\\\"c\"] url = ssh://git:pw@host.example:22/b\\\n.git\n\
             [url \"https://evil.example/\"]\n  insteadOf = https://git.example/\n\
             # url = https://comment.example\n",
        );
        assert_eq!(
            config.remotes(),
            "\"b\\\"c\": \"ssh://host.example:22/b.git\"; \"origin\": \
             \"https://git.example/a.git\", push to \"git@evil.example:a.git\"; addresses that begin \
             with \"https://git.example/\" become \"https://evil.example/\""
        );
        assert_eq!(config.elsewhere(), None);
        assert!(!format!("{config:?}").contains("hunter2"));
        assert_eq!(Config::read("[remote.old]\nurl = /srv/a").remotes(), "\"old\": \"/srv/a\"");
    }

    #[test]
    fn what_was_not_read_or_runs_programs_is_said() {
        let config = Config::read("[include]\npath = ../x\n[core]\nhooksPath=h\n[alias]\nst = !sh");
        let words = config.elsewhere().unwrap();
        assert!(words.contains("includes other files"), "{words}");
        assert!(words.contains("core.hookspath") && words.contains("alias.st"), "{words}");
        for broken in ["[", "[remote", "[remote \"a", "=", "[a]=", "\\", "[remote \"a\"]\nurl"] {
            let _read = Config::read(broken);
        }
    }
}
