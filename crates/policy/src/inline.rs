//! Code in other languages that stands in a command: what it does with files, programs and hosts.
//!
//! Python is parsed (`python`), brought down to a small tree (`tree`) and followed (`follow`) with
//! its constants (`value`, `text`); what its libraries do stands in tables (`library`), and what
//! that comes to is the walker's to judge (`effects`). Other languages are judged by their words
//! (`words`).

mod effects;
mod follow;
mod library;
mod python;
mod text;
mod tree;
mod value;
mod words;

use crate::facts::Kind;
use crate::paths::UNKNOWN;
use crate::walk::Walker;
use follow::Follower;

/// How much stack a byte of source may need: every level of an expression takes one at least.
const STACK_PER_BYTE: usize = 1024;

/// Judges Python source text.
pub(crate) fn python(walker: &mut Walker<'_>, code: &str) {
    let span: String = code.chars().take(200).collect();
    if code.contains(UNKNOWN) {
        walker.not_understood(&span, "runs Python that is not known before it runs");
        return;
    }
    let library = match library::python() {
        Ok(library) => library,
        Err(error) => {
            let fact = format!("cannot be judged: the table of libraries is damaged ({error})");
            walker.not_understood(&span, &fact);
            return;
        }
    };
    let needed = (1 << 20) + code.len() * STACK_PER_BYTE;
    stacker::maybe_grow(needed, needed, || match python::read(code) {
        Err(why) => walker.not_understood(&span, &why),
        Ok((steps, texts)) => {
            let known = walker.facts.findings.len();
            let cwd = walker.cwd.clone();
            let mut follower = Follower::new(walker, library, "Python", code);
            follower.program(&steps);
            follower.literals(&texts);
            walker.cwd = cwd;
            let found = walker.facts.findings.iter().skip(known);
            if found.map(|finding| finding.kind).max() <= Some(Kind::Contained) {
                let fact = "runs Python that stays with the workspace";
                walker.add(Kind::Contained, "contained", &span, fact);
            }
        }
    });
}

/// Judges code of another language.
pub(crate) fn other(walker: &mut Walker<'_>, name: &str, code: &str) {
    words::judge(walker, name, code);
}

/// Judges code that other code of the same language runs.
fn nested(walker: &mut Walker<'_>, code: &str) {
    walker.deeper(code, |walker| python(walker, code));
}
