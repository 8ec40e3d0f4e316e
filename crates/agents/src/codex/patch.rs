//! The patch text of Codex's `apply_patch`, as the changes of files it makes.

use gatepost_domain::Action;

/// What a line of a patch that begins a file's part says.
enum Header<'a> {
    Add(&'a str),
    Update(&'a str),
    Move(&'a str),
    Delete(&'a str),
}

/// The files a patch changes, each an action of its own; none where a part of it is not understood.
/// Paths are taken from `cwd`, as Codex takes them.
///
/// A line that Codex may read as the header of another file counts as one: better one file too
/// many is judged than one too few.
#[must_use]
pub fn patch(text: &str, cwd: &str) -> Option<Vec<Action>> {
    let body = text.trim().strip_prefix("*** Begin Patch\n")?.strip_suffix("*** End Patch")?;
    let at = |path: &str| {
        if path.starts_with('/') { path.to_owned() } else { format!("{cwd}/{path}") }
    };
    let mut actions: Vec<Action> = Vec::new();
    for line in body.lines() {
        let edit = |path: &str, content: &str| Action::Edit {
            path: at(path),
            content: content.to_owned(),
            replaces: None,
        };
        match header(line)? {
            Some(Header::Add(path)) => {
                actions.push(Action::Write { path: at(path), content: String::new() });
            }
            Some(Header::Update(path)) => actions.push(edit(path, "")),
            Some(Header::Delete(path)) => actions.push(edit(path, "deleted\n")),
            Some(Header::Move(to)) => actions.push(edit(to, "moved here\n")),
            None => match actions.last_mut()? {
                Action::Write { content, .. } => {
                    content.push_str(line.strip_prefix('+')?);
                    content.push('\n');
                }
                Action::Edit { content, .. } => {
                    content.push_str(line);
                    content.push('\n');
                }
                Action::Exec(_)
                | Action::Read { .. }
                | Action::Fetch { .. }
                | Action::Python { .. }
                | Action::Tool { .. }
                | Action::Raise(_) => return None,
            },
        }
    }
    (!actions.is_empty()).then_some(actions)
}

/// `None` for a header of a kind that is not known, `Some(None)` for a line that is no header.
fn header(line: &str) -> Option<Option<Header<'_>>> {
    let Some(rest) = line.trim().strip_prefix("*** ") else { return Some(None) };
    let (kind, path) = rest.split_once(':').unwrap_or((rest, ""));
    let path = path.trim();
    let known = match kind {
        "Add File" => Header::Add(path),
        "Update File" => Header::Update(path),
        "Move to" => Header::Move(path),
        "Delete File" => Header::Delete(path),
        // Indented it is a line of a file that looks like one.
        _ if kind == "End of File" || line.starts_with(' ') => return Some(None),
        _ => return None,
    };
    (!path.is_empty()).then_some(Some(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subjects(text: &str) -> Option<Vec<String>> {
        let actions = patch(text, "/srv/demo")?;
        Some(actions.iter().map(|action| action.subject().to_owned()).collect())
    }

    #[test]
    fn every_file_of_a_patch_is_an_action() {
        let text = "*** Begin Patch\n*** Add File: a.txt\n+one\n+two\n*** Update File: src/b.rs\n\
                    *** Move to: /etc/c.rs\n@@ fn x\n-old\n+new\n same\n*** End of File\n\
                    *** Delete File: d\n*** End Patch";
        let actions = patch(text, "/srv/demo").unwrap();
        assert_eq!(
            actions.first(),
            Some(&Action::Write { path: "/srv/demo/a.txt".into(), content: "one\ntwo\n".into() })
        );
        assert_eq!(
            subjects(text).unwrap(),
            ["/srv/demo/a.txt", "/srv/demo/src/b.rs", "/etc/c.rs", "/srv/demo/d"]
        );
        assert_eq!(subjects(&format!("\n{text}\n")), subjects(text));
    }

    #[test]
    fn a_header_in_disguise_is_judged_too() {
        let text = "*** Begin Patch\n*** Update File: a\n@@\n x\n  *** Delete File: /etc/passwd\n\
                    *** End Patch";
        assert_eq!(subjects(text).unwrap(), ["/srv/demo/a", "/etc/passwd"]);
    }

    #[test]
    fn what_is_not_understood_is_no_change() {
        for text in [
            "",
            "*** Begin Patch\n*** End Patch",
            "*** Update File: a\n@@\n-x\n+y\n",
            "<<'EOF'\n*** Begin Patch\n*** Delete File: a\n*** End Patch\nEOF",
            "*** Begin Patch\n+lost\n*** Delete File: a\n*** End Patch",
            "*** Begin Patch\n*** Rename File: a\n*** End Patch",
            "*** Begin Patch\n*** Add File: a\nno mark\n*** End Patch",
            "*** Begin Patch\n*** Delete File: \n*** End Patch",
            "*** Begin Patch\n*** Delete File: a\n*** End Patch\n*** Delete File: b",
        ] {
            assert_eq!(subjects(text), None, "{text}");
        }
    }
}
