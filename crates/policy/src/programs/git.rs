//! git: its global options here, its subcommands in the table.

use crate::facts::Access;
use crate::facts::Kind;
use crate::paths;
use crate::walk::Stdin;
use crate::walk::Walker;

/// Whether a subcommand prints names of files below the working directory and nothing else.
pub(super) fn lists_files(subcommand: &str, args: &[String]) -> bool {
    let (needed, flags): (&[&str], &[&str]) = match subcommand {
        "ls-files" => (
            &[],
            &[
                "-z",
                "-c",
                "-o",
                "-m",
                "-d",
                "--cached",
                "--others",
                "--modified",
                "--deleted",
                "--exclude-standard",
            ],
        ),
        "diff" => (&["--name-only"], &["-z", "--cached", "--staged"]),
        "grep" => (
            &["-l", "-il", "-li", "--name-only", "--files-with-matches"],
            &["-z", "-i", "-w", "-E", "-F", "-e"],
        ),
        _ => return false,
    };
    let has = |list: &[&str], arg: &String| list.contains(&arg.as_str());
    let elsewhere = |arg: &String| {
        arg.starts_with(['/', '~', ':']) || arg.contains("../") || arg.ends_with("..")
    };
    (needed.is_empty() || args.iter().any(|arg| has(needed, arg)))
        && !args.iter().any(elsewhere)
        && args
            .iter()
            .filter(|arg| arg.starts_with('-') && *arg != "--")
            .all(|arg| has(needed, arg) || has(flags, arg) || arg.starts_with("--diff-filter="))
}

/// `None` when the program is not git or nothing stands in the way of the table.
pub(super) fn judge(
    walker: &mut Walker<'_>,
    name: &str,
    args: &[String],
    span: &str,
) -> Option<Option<String>> {
    if name != "git" {
        return None;
    }
    let mut rest = args.to_vec();
    let mut changed = false;
    let cwd = walker.cwd.clone();
    while let Some(first) = rest.first().cloned() {
        if !first.starts_with('-') || first == "--version" || first == "--help" {
            break;
        }
        changed = true;
        rest.remove(0);
        let (flag, joined) =
            first.split_once('=').map_or((first.as_str(), None), |(f, v)| (f, Some(v.to_owned())));
        let mut value = || {
            joined
                .clone()
                .unwrap_or_else(|| if rest.is_empty() { String::new() } else { rest.remove(0) })
        };
        match flag {
            "-C" => {
                let to = value();
                walker.touch(&to, Access::Read, span);
                walker.cwd = paths::resolve(&to, walker.cwd.as_deref(), &walker.context.home);
            }
            "-c" => {
                let setting = if let Some(joined) = joined {
                    format!("={joined}")
                } else if rest.is_empty() {
                    String::new()
                } else {
                    rest.remove(0)
                };
                if !harmless_setting(&setting) {
                    walker.add(
                        Kind::Ask,
                        "git-config",
                        span,
                        "gives git a setting that can make it run a program",
                    );
                }
            }
            "--no-pager"
            | "-P"
            | "--no-optional-locks"
            | "--literal-pathspecs"
            | "--no-replace-objects"
            | "--bare" => {}
            _ => {
                let _ = value;
                walker.add(
                    Kind::Ask,
                    "git-global",
                    span,
                    &format!(
                        "gives git the global option `{flag}`, which changes what it runs or where"
                    ),
                );
            }
        }
    }
    if !changed {
        return if blame_of_config(walker, &rest, span) { Some(None) } else { None };
    }
    let mut argv = vec!["git".to_owned()];
    argv.extend(rest);
    let output = walker.invoke(&argv, &Stdin::Inherited, span);
    walker.cwd = cwd;
    Some(output)
}

/// Setting configuration is asked about, reading it is not; the table cannot tell them apart.
fn blame_of_config(walker: &mut Walker<'_>, args: &[String], span: &str) -> bool {
    let Some((first, rest)) = args.split_first() else { return false };
    match first.as_str() {
        "config" => {
            let reads = rest.iter().any(|arg| {
                [
                    "--get",
                    "--list",
                    "-l",
                    "--get-all",
                    "--get-regexp",
                    "list",
                    "get",
                    "--show-origin",
                ]
                .contains(&arg.as_str())
            });
            let words: Vec<&String> = rest.iter().filter(|arg| !arg.starts_with('-')).collect();
            let global = rest
                .iter()
                .any(|arg| ["--global", "--system", "-f", "--file"].contains(&arg.as_str()));
            let identity = matches!(words.as_slice(), [key, _] if key.to_lowercase() == "user.name" || key.to_lowercase() == "user.email");
            if reads
                || words.len() == 1
                    && !rest
                        .iter()
                        .any(|arg| arg.starts_with("--unset") || arg == "-e" || arg == "--edit")
            {
                walker.add(Kind::Read, "read", span, "reads git's settings");
            } else if identity && !global {
                walker.add(
                    Kind::Edit,
                    "workspace-edit",
                    span,
                    "names the author of commits in this repository",
                );
            } else {
                walker.add(
                    Kind::Ask,
                    "git-config",
                    span,
                    "changes git's settings, which can make it run programs",
                );
            }
            true
        }
        // Back to what was there before, with nothing lost that was committed or written.
        "rebase"
            if rest.len() == 1
                && rest.iter().all(|arg| {
                    ["--abort", "--continue", "--skip", "--quit", "--show-current-patch"]
                        .contains(&arg.as_str())
                }) =>
        {
            walker.add(Kind::Edit, "workspace-edit", span, "ends what git is in the middle of");
            true
        }
        "restore"
            if rest.iter().any(|arg| arg == "--staged" || arg == "-S")
                && !rest.iter().any(|arg| {
                    arg.starts_with("--wo") || arg.starts_with('-') && arg.contains('W')
                }) =>
        {
            walker.add(Kind::Edit, "workspace-edit", span, "takes files out of the next commit");
            true
        }
        "rev-parse" => {
            walker.add(Kind::Read, "read", span, "asks git about names");
            true
        }
        _ => false,
    }
}

fn harmless_setting(setting: &str) -> bool {
    let key = setting.split('=').next().unwrap_or_default().to_lowercase();
    [
        "color.",
        "user.",
        "advice.",
        "log.",
        "diff.renames",
        "diff.nopre",
        "core.quotepath",
        "core.autocrlf",
        "core.abbrev",
        "init.defaultbranch",
        "commit.gpgsign",
        "merge.conflictstyle",
        "gc.auto",
    ]
    .iter()
    .any(|prefix| key.starts_with(prefix))
        || setting == "core.pager=cat"
        || setting == "core.pager="
}
