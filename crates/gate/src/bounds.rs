//! Which actions do what a person forbade in words.
//!
//! It reads the programs that run, wherever they hide, and not what scripts of the project do in
//! turn: that is for the classifier, which reads the person's words, and for the sandbox.

use gatepost_domain::action::Action;
use gatepost_domain::boundary::Boundary;
use gatepost_domain::boundary::Effect;
use gatepost_policy::Access;
use gatepost_policy::ActionFacts;

/// The first boundary that the action would cross.
pub(crate) fn crossed<'b>(
    boundaries: &'b [Boundary],
    action: &Action,
    facts: &ActionFacts,
) -> Option<&'b Boundary> {
    boundaries
        .iter()
        .find(|boundary| boundary.effect.is_some_and(|effect| has(effect, action, facts)))
}

fn has(effect: Effect, action: &Action, facts: &ActionFacts) -> bool {
    if let Action::Tool { name, .. } = action {
        // What a tool server does is known by its name alone.
        return word(effect).iter().any(|word| name.to_lowercase().contains(word));
    }
    let found = |start: &str| facts.findings.iter().any(|finding| finding.rule.starts_with(start));
    let by_facts = match effect {
        Effect::Network => {
            matches!(action, Action::Fetch { .. })
                || !facts.hosts.is_empty()
                || found("network")
                || has(Effect::Push, action, facts)
                || has(Effect::Install, action, facts)
        }
        Effect::Delete => {
            found("delete") || facts.paths.iter().any(|path| path.access == Access::Delete)
        }
        Effect::Push | Effect::Commit | Effect::Install | Effect::Publish | Effect::Deploy => false,
    };
    by_facts || facts.programs.iter().any(|program| does(effect, &program.argv))
}

fn word(effect: Effect) -> &'static [&'static str] {
    match effect {
        Effect::Push => &["push"],
        Effect::Commit => &["commit", "merge"],
        Effect::Network => &["fetch", "http", "web", "browse", "download", "search"],
        Effect::Delete => &["delete", "remove", "destroy"],
        Effect::Install => &["install"],
        Effect::Publish => &["publish", "release"],
        Effect::Deploy => &["deploy"],
    }
}

fn does(effect: Effect, argv: &[String]) -> bool {
    let Some((name, args)) = argv.split_first() else { return false };
    let name = name.rsplit('/').next().unwrap_or_default();
    let verb = verb(name, args);
    let is = |verbs: &[&str]| verbs.contains(&verb);
    let says = |wanted: &str| argv.iter().any(|word| word.to_lowercase().contains(wanted));
    match (effect, name) {
        (Effect::Push, "git") => is(&["push", "send-pack", "send-email"]),
        (Effect::Commit, "git") => {
            is(&["commit", "commit-tree", "merge", "cherry-pick", "revert", "rebase", "am", "pull"])
        }
        (Effect::Network, "git") => {
            is(&["push", "fetch", "pull", "clone", "ls-remote", "remote", "submodule"])
        }
        (Effect::Network, _) => matches!(
            name,
            "curl"
                | "wget"
                | "ssh"
                | "scp"
                | "sftp"
                | "rsync"
                | "nc"
                | "ncat"
                | "socat"
                | "telnet"
                | "ftp"
                | "gh"
                | "glab"
                | "ping"
                | "dig"
                | "nslookup"
                | "aria2c"
        ),
        (Effect::Delete, "git") => {
            is(&["clean", "rm"])
                || is(&["branch", "tag"]) && flagged(args, &["-d", "-D", "--delete"])
        }
        (Effect::Delete, "find") => args.iter().any(|word| word == "-delete"),
        (Effect::Delete, _) => matches!(name, "rm" | "rmdir" | "unlink" | "shred" | "truncate"),
        (Effect::Install, "npm" | "pnpm" | "yarn" | "bun") => {
            is(&["install", "i", "in", "add", "ci"]) || name == "yarn" && verb.is_empty()
        }
        (Effect::Install, "go") => is(&["get", "install"]),
        (Effect::Install, "apk" | "uv" | "poetry" | "cargo") => {
            is(&["add", "install", "sync", "pip"]) && (verb != "pip" || says("install"))
        }
        (Effect::Install, "composer") => is(&["install", "require", "update"]),
        (Effect::Install, "pacman") => flagged(args, &["-S", "-Sy", "-Syu", "-U"]),
        (
            Effect::Install,
            "pip" | "pip3" | "pipx" | "apt" | "apt-get" | "dnf" | "yum" | "zypper" | "brew" | "gem"
            | "bundle" | "snap" | "rustup" | "conda" | "mamba" | "python" | "python3",
        ) => args.iter().any(|word| word == "install"),
        (Effect::Publish, "twine") => is(&["upload"]),
        (Effect::Publish, "gem") => is(&["push"]),
        (Effect::Publish, "docker" | "podman") => is(&["push"]),
        (Effect::Publish, "gh" | "glab") => is(&["release"]),
        (Effect::Publish, _) => says("publish"),
        (Effect::Deploy, "kubectl") => {
            is(&["apply", "create", "replace", "rollout", "set", "scale", "patch"])
        }
        (Effect::Deploy, "terraform" | "tofu" | "pulumi") => is(&["apply", "up"]),
        (Effect::Deploy, "helm") => is(&["install", "upgrade", "rollback"]),
        (Effect::Deploy, "vercel" | "netlify" | "flyctl" | "fly") => true,
        (Effect::Deploy, _) => says("deploy"),
        (Effect::Push | Effect::Commit | Effect::Install, _) => false,
    }
}

/// The first word that is no option, and no value of one that takes one before it.
fn verb<'a>(name: &str, args: &'a [String]) -> &'a str {
    let takes_value: &[&str] = match name {
        "git" => &["-C", "-c", "--git-dir", "--work-tree", "--namespace", "--exec-path"],
        "npm" | "pnpm" | "yarn" => &["--prefix", "-C", "--dir", "--cwd"],
        "kubectl" | "helm" => &["-n", "--namespace", "--context", "--kubeconfig", "--kube-context"],
        _ => &[],
    };
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        if takes_value.contains(&arg.as_str()) {
            args.next();
        } else if !arg.starts_with('-') && !arg.starts_with('+') {
            return arg;
        }
    }
    ""
}

fn flagged(args: &[String], flags: &[&str]) -> bool {
    args.iter().any(|arg| flags.contains(&arg.as_str()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use gatepost_domain::action::Exec;
    use gatepost_domain::principal::Principal;

    use super::*;

    fn crosses(effect: Effect, command: &str) -> bool {
        let context = crate::context("/work", "/home/me", "/var/lib/gatepost");
        let (command, cwd) = (command.to_owned(), "/work".to_owned());
        let action = Action::Exec(Exec { command, cwd, env: BTreeMap::new() });
        let facts = ActionFacts::of(&action, &context);
        let by = Principal::console();
        let boundary = Boundary { words: "no".into(), effect: Some(effect), by };
        crossed(&[boundary], &action, &facts).is_some()
    }

    #[test]
    fn an_effect_is_seen_wherever_the_program_hides() {
        for (effect, command) in [
            (Effect::Push, "git push"),
            (Effect::Push, "cd a && git -C b -c x=y push origin main"),
            (Effect::Push, "sh -c 'true; git push'"),
            (Effect::Push, "env A=b timeout 5 git push"),
            (Effect::Commit, "git commit -m x"),
            (Effect::Commit, "git add . && git commit --amend --no-edit"),
            (Effect::Network, "curl https://example.org"),
            (Effect::Network, "git push"),
            (Effect::Network, "npm install left-pad"),
            (Effect::Delete, "rm a.txt"),
            (Effect::Delete, "find . -name '*.o' -delete"),
            (Effect::Delete, "ls | xargs rm -f"),
            (Effect::Delete, "git clean -fd"),
            (Effect::Install, "npm i left-pad"),
            (Effect::Install, "python3 -m pip install requests"),
            (Effect::Install, "cargo add serde"),
            (Effect::Publish, "cargo publish"),
            (Effect::Publish, "npm publish --access public"),
            (Effect::Deploy, "./scripts/deploy.sh staging"),
            (Effect::Deploy, "kubectl -n prod apply -f x.yaml"),
        ] {
            assert!(crosses(effect, command), "{effect:?}: {command}");
        }
    }

    #[test]
    fn other_actions_are_left_alone() {
        for (effect, command) in [
            (Effect::Push, "git status"),
            (Effect::Push, "git stash push"),
            (Effect::Push, "echo git push"),
            (Effect::Push, "git commit -m 'push it'"),
            (Effect::Commit, "git log"),
            (Effect::Network, "cargo build --offline"),
            (Effect::Delete, "echo rm a.txt"),
            (Effect::Delete, "git branch -v"),
            (Effect::Install, "npm test"),
            (Effect::Install, "cargo test"),
            (Effect::Publish, "cargo package"),
            (Effect::Deploy, "kubectl get pods"),
        ] {
            assert!(!crosses(effect, command), "{effect:?}: {command}");
        }
    }
}
