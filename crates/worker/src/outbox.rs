//! Files that a task left for its chat, collected when its run is over.

use std::io;
use std::io::Read;

use gatepost_domain::message::Names;
use gatepost_domain::message::OutboxFile;
use gatepost_domain::message::OutboxRefusal;
use gatepost_domain::message::file_name;
use gatepost_sandbox::WorkspaceForm;
use gatepost_sandbox::deliver;
use gatepost_sandbox::deliver::Left;

use crate::files::Files;

/// How many files of one task are sent.
const MOST: usize = 10;

/// How many more are named with why they are not; the rest only fill a card.
const NAMED: usize = 20;

/// The largest file that is sent, in bytes. Telegram takes 50 MB from a bot
/// (<https://core.telegram.org/bots/api#senddocument>); this also bounds what a task may leave in
/// the data directory.
const LARGEST: u64 = 20 << 20;

/// Takes what lies in the outbox. What cannot be sent is in the list with why.
pub(crate) fn collect(form: &WorkspaceForm, files: &Files) -> Vec<OutboxFile> {
    let left = match deliver::outbox(form, MOST + NAMED) {
        Ok(left) => left,
        Err(error) => {
            tracing::warn!(%error, "the outbox of a task cannot be read");
            let refusal = Some(OutboxRefusal::NotKept);
            let name = gatepost_domain::message::OUTBOX.to_owned();
            return vec![OutboxFile { name, size: 0, sha256: String::new(), refusal }];
        }
    };
    let mut names = Names::default();
    let mut sent = 0;
    let mut outbox = Vec::new();
    for Left { name, size, file } in left {
        let name = names.give(&file_name(&name.to_string_lossy()));
        let kept = match file {
            _ if sent >= MOST => Err(OutboxRefusal::TooMany),
            None => Err(OutboxRefusal::NotAFile),
            Some(_) if size > LARGEST => Err(OutboxRefusal::TooLarge),
            Some(_) if size == 0 => Err(OutboxRefusal::Empty),
            Some(file) => keep(files, file).map_err(|error| {
                tracing::warn!(%error, "a file of an outbox cannot be kept");
                OutboxRefusal::NotKept
            }),
        };
        outbox.push(match kept {
            Ok((size, sha256)) => {
                sent += 1;
                OutboxFile { name, size, sha256, refusal: None }
            }
            Err(refusal) => {
                OutboxFile { name, size, sha256: String::new(), refusal: Some(refusal) }
            }
        });
    }
    outbox
}

fn keep(files: &Files, file: std::fs::File) -> io::Result<(u64, String)> {
    let mut bytes = Vec::new();
    // Nothing of the task runs any more; a bound all the same costs nothing.
    file.take(LARGEST + 1).read_to_end(&mut bytes)?;
    let size = bytes.len() as u64;
    if size > LARGEST {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok((size, files.keep(&bytes)?))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use gatepost_domain::message::OUTBOX;

    use super::*;

    #[test]
    fn plain_files_are_kept_and_everything_else_is_named_with_why() {
        let root = tempfile::tempdir().unwrap();
        let (lower, upper) = (root.path().join("project"), root.path().join("upper"));
        let outbox = upper.join(OUTBOX);
        fs::create_dir_all(outbox.join("folder")).unwrap();
        fs::create_dir_all(lower.join(OUTBOX)).unwrap();
        fs::write(lower.join(OUTBOX).join("of-the-project.txt"), "not the task's").unwrap();
        fs::write(root.path().join("secret"), "outside").unwrap();
        fs::write(outbox.join("report.pdf"), "%PDF").unwrap();
        fs::write(outbox.join("--a\nb.txt"), "hostile name").unwrap();
        fs::write(outbox.join("empty"), "").unwrap();
        symlink(root.path().join("secret"), outbox.join("link")).unwrap();
        fs::File::create(outbox.join("big")).unwrap().set_len(LARGEST + 1).unwrap();
        let files = Files::open(&root.path().join("files")).unwrap();
        let form = WorkspaceForm::Overlay { lower, upper };
        let found = collect(&form, &files);
        let table: Vec<_> =
            found.iter().map(|file| (file.name.as_str(), file.size, file.refusal)).collect();
        assert_eq!(
            table,
            [
                ("a_b.txt", 12, None),
                ("big", LARGEST + 1, Some(OutboxRefusal::TooLarge)),
                ("empty", 0, Some(OutboxRefusal::Empty)),
                ("folder", 0, Some(OutboxRefusal::NotAFile)),
                ("link", 0, Some(OutboxRefusal::NotAFile)),
                ("report.pdf", 4, None),
            ]
        );
        assert_eq!(files.read(&found[5].sha256).unwrap(), b"%PDF");
    }

    #[test]
    fn a_flood_of_files_is_cut_and_said() {
        let root = tempfile::tempdir().unwrap();
        let (lower, upper) = (root.path().join("project"), root.path().join("upper"));
        fs::create_dir_all(upper.join(OUTBOX)).unwrap();
        fs::create_dir_all(&lower).unwrap();
        for number in 0..(MOST + NAMED + 5) {
            fs::write(upper.join(OUTBOX).join(format!("f{number:03}")), "x").unwrap();
        }
        let files = Files::open(&root.path().join("files")).unwrap();
        let found = collect(&WorkspaceForm::Overlay { lower, upper }, &files);
        let sent = found.iter().filter(|file| file.refusal.is_none()).count();
        assert_eq!(sent, MOST);
        assert_eq!(found.len(), MOST + NAMED, "the rest is not even named");
        assert_eq!(found.last().unwrap().refusal, Some(OutboxRefusal::TooMany));
    }
}
