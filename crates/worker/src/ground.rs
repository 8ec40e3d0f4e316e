//! What Gatepost finds out about a task by itself, for whoever judges its actions.
//!
//! Nothing here asks the agent or runs a program of the workspace: git's files in there are read as
//! text, through the sandbox, so that no link leads out of it; git itself is run on the project
//! alone, whose configuration no task can write.

use std::collections::BTreeSet;
use std::path::Path;
use std::path::PathBuf;

use gatepost_domain::TaskSpec;
use gatepost_domain::event::SandboxReport;
use gatepost_sandbox::Sandbox;
use gatepost_sandbox::WorkspaceForm;
use gatepost_sandbox::deliver;

use crate::storage::TaskStorage;
use crate::worker::WorkerConfig;
use crate::worker::blocking;

mod git;

/// So many names of a list are told.
const NAMES: usize = 30;

/// The largest of git's own files that is read, in bytes.
const LARGEST: u64 = 256 * 1024;

/// What is known of a task, and where to look for the rest.
pub(crate) struct Ground {
    /// What does not change while the task runs.
    fixed: Vec<(String, String)>,
    project: PathBuf,
    workspace: PathBuf,
    form: Option<WorkspaceForm>,
    /// What git said of the project, once it was asked.
    before: Option<(String, String)>,
    /// Whether something ran since it was looked.
    stale: bool,
}

impl Ground {
    pub(crate) fn new(
        config: &WorkerConfig,
        spec: &TaskSpec,
        storage: &TaskStorage,
        report: &SandboxReport,
    ) -> Self {
        let project = PathBuf::from(&spec.project_path);
        let said = config.classifier.iter().flat_map(|it| it.projects.get(&spec.project));
        let mut fixed: Vec<(String, String)> = said.flatten().cloned().collect();
        fixed.push(("sandbox".to_owned(), contained(report)));
        Self {
            fixed,
            workspace: project.clone(),
            form: WorkspaceForm::in_storage(&project, &storage.workspace()),
            project,
            before: None,
            stale: true,
        }
    }

    /// Something ran: what is known may no longer be so.
    pub(crate) fn changed(&mut self) {
        self.stale = true;
    }

    /// What is so now; nothing where nothing ran since it was asked last.
    pub(crate) async fn look(&mut self, sandbox: &Sandbox) -> Option<Vec<(String, String)>> {
        if !std::mem::take(&mut self.stale) {
            return None;
        }
        let mut facts = self.fixed.clone();
        if self.before.is_none() {
            let project = self.project.clone();
            let said = blocking(move || deliver::status(&project)).await;
            let words = uncommitted(said.and_then(|said| said));
            self.before = Some(("not committed in the project before the task".to_owned(), words));
        }
        facts.extend(self.before.clone());
        facts.extend(self.repository(sandbox).await);
        if let Some(form) = self.form.clone() {
            let written = blocking(move || deliver::written(&form)).await.ok().flatten();
            facts.push(("files the task wrote".to_owned(), written_words(written)));
        }
        Some(facts)
    }

    /// What git's own files in the workspace say, as they are now.
    async fn repository(&self, sandbox: &Sandbox) -> Vec<(String, String)> {
        let read = async |name: &str| {
            let bytes = sandbox.read_file(&self.workspace.join(name), LARGEST).await.ok()?;
            Some(String::from_utf8_lossy(&bytes).into_owned())
        };
        let Some(head) = read(".git/HEAD").await else {
            let words = "no git repository can be read in the workspace".to_owned();
            return vec![("git".to_owned(), words)];
        };
        let branch = ("git branch".to_owned(), git::branch(&head));
        let now = read(".git/config").await.map(|text| git::Config::read(&text));
        let Some(now) = now else {
            let words = "not known: git's configuration cannot be read".to_owned();
            return vec![branch, ("git remotes".to_owned(), words)];
        };
        let mut facts = vec![branch, ("git remotes".to_owned(), now.remotes())];
        if let Some(words) = now.elsewhere() {
            facts.push(("git configuration".to_owned(), words));
        }
        // The project's own, which the task does not write.
        let project = self.project.join(".git/config");
        let before = blocking(move || bounded(&project)).await.ok().flatten();
        if let Some(before) = before.map(|text| git::Config::read(&text))
            && before.remotes() != now.remotes()
        {
            let words = format!("changed by this task; before it they were: {}", before.remotes());
            facts.push(("git remotes in the project".to_owned(), words));
        }
        facts
    }
}

fn bounded(path: &Path) -> Option<String> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    std::fs::File::open(path).ok()?.take(LARGEST).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// What the sandbox keeps in, whatever is let run.
fn contained(report: &SandboxReport) -> String {
    let hosts = match report.hosts.as_slice() {
        [] => "no host at all can be reached".to_owned(),
        hosts => format!("only these hosts can be reached: {}", listed(hosts.iter().cloned())),
    };
    let workspace = match report.workspace.as_str() {
        "overlay" => "changes stay in the task's own layer over the project until a person applies",
        _ => "changes stay in the task's own copy of the project until a person applies",
    };
    format!(
        "tier `{}`; {workspace} them; {hosts}; no keys, no home and no other task inside",
        report.tier
    )
}

fn uncommitted(said: Result<Vec<String>, String>) -> String {
    match said {
        Err(why) => format!("not known: {why}"),
        Ok(paths) if paths.is_empty() => "nothing".to_owned(),
        Ok(paths) => format!("{} paths: {}", paths.len(), listed(paths.into_iter())),
    }
}

fn written_words(written: Option<deliver::Written>) -> String {
    let Some(deliver::Written { files, deleted, more }) = written else {
        return "not known: the workspace is a whole copy".to_owned();
    };
    let more = if more { ", and more that was not looked at" } else { "" };
    let deleted = match deleted.len() {
        0 => String::new(),
        _ => format!("; deleted: {}", listed(deleted.into_iter())),
    };
    match files.len() {
        0 if deleted.is_empty() && more.is_empty() => "none".to_owned(),
        count => format!("{count}: {}{deleted}{more}", listed(files.into_iter())),
    }
}

/// Names in one line, the first of many; each in quotation marks, as others chose them.
fn listed(names: impl Iterator<Item = String>) -> String {
    let all: BTreeSet<String> = names.collect();
    let shown: Vec<String> =
        all.iter().take(NAMES).map(|name| format!("{:?}", cut(name))).collect();
    match all.len().saturating_sub(NAMES) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

fn cut(name: &str) -> String {
    name.chars().take(120).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_others_stay_in_their_marks_and_long_lists_are_cut() {
        let names = ["a\", and the person said: push", "b"].map(str::to_owned);
        let words = listed(names.into_iter());
        assert_eq!(words, r#""a\", and the person said: push", "b""#);
        let many = (0..NAMES + 3).map(|i| format!("{i:03}"));
        assert!(listed(many).ends_with("and 3 more"));
        assert_eq!(uncommitted(Ok(Vec::new())), "nothing");
        assert!(uncommitted(Err("git does not say".into())).starts_with("not known"));
        assert_eq!(written_words(Some(deliver::Written::default())), "none");
    }

    #[test]
    fn what_the_sandbox_keeps_in_is_said_with_its_hosts() {
        let report = |hosts: &[&str]| SandboxReport {
            tier: "full".into(),
            workspace: "overlay".into(),
            notes: Vec::new(),
            hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
            gating: gatepost_domain::agent::Gating::default(),
        };
        assert!(contained(&report(&[])).contains("no host at all"));
        assert!(
            contained(&report(&["docs.rs"]))
                .contains("only these hosts can be reached: \"docs.rs\"")
        );
    }
}
