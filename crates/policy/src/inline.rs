//! Code in other languages that stands in a command: what it does with files, programs and hosts.
//!
//! Python and JavaScript are parsed (`python`, `javascript`), brought down to one small tree
//! (`tree`) and followed (`follow`) with its constants (`value`, `text`); what their libraries do
//! stands in tables (`library`), and what that comes to is told to the walker (`effects`, `acts`). Other
//! languages are judged by their words (`words`).

mod acts;
mod effects;
mod follow;
mod javascript;
mod library;
mod python;
mod text;
mod tree;
mod value;
mod words;

use std::collections::BTreeSet;

use crate::facts::Kind;
use crate::paths::UNKNOWN;
use crate::walk::Walker;
use crate::written::Language;
use follow::Follower;
use library::Library;
use tree::Step;

/// How much stack a byte of source may need: every level of an expression takes one at least.
const STACK_PER_BYTE: usize = 1024;

/// The longest code that is looked at, in bytes: no decision is to take longer than 20 ms.
const MAX_CODE: usize = 64 * 1024;

/// How many brackets may be open at once, in texts of the code too. Parsers take a level of the stack
/// for each.
const MAX_BRACKETS: usize = 300;

/// What reads a language: its library's table, and its parser.
type Reader = (
    Result<&'static Library, &'static str>,
    fn(&str) -> Result<(Vec<Step>, BTreeSet<String>), String>,
);

/// Judges source text of a language that is not the shell's.
pub(crate) fn judge(walker: &mut Walker<'_>, language: Language, code: &str) {
    let span: String = code.chars().take(200).collect();
    if code.len() > MAX_CODE {
        let fact = format!("runs {} of more than {} kB", language.name(), MAX_CODE / 1024);
        walker.not_understood(&span, &fact);
        return;
    }
    if brackets(code) > MAX_BRACKETS {
        walker.not_understood(&span, "nests code too deeply");
        return;
    }
    let (library, read): Reader = match language {
        Language::Python => (library::python(), python::read),
        Language::JavaScript => (library::javascript(), javascript::read),
        Language::Shell | Language::Other(_) => {
            words::judge(walker, language.name(), code);
            return;
        }
    };
    if code.contains(UNKNOWN) {
        let fact = format!("runs {} that is not known before it runs", language.name());
        walker.not_understood(&span, &fact);
        return;
    }
    let library = match library {
        Ok(library) => library,
        Err(error) => {
            let fact = format!("cannot be judged: the table of libraries is damaged ({error})");
            walker.not_understood(&span, &fact);
            return;
        }
    };
    let needed = (1 << 20) + code.len() * STACK_PER_BYTE;
    stacker::maybe_grow(needed, needed, || match read(code) {
        Err(why) => walker.not_understood(&span, &why),
        Ok((steps, texts)) => {
            let known = walker.facts.findings.len();
            let cwd = walker.cwd.clone();
            let mut follower = Follower::new(walker, library, language, code);
            follower.program(&steps);
            follower.literals(&texts);
            walker.cwd = cwd;
            let found = walker.facts.findings.iter().skip(known);
            if found.map(|finding| finding.kind).max() <= Some(Kind::Contained) {
                let fact = format!("runs {} that stays with the workspace", language.name());
                walker.add(Kind::Contained, "contained", &span, &fact);
            }
        }
    });
}

/// The most brackets that are open at once.
fn brackets(code: &str) -> usize {
    let (mut open, mut most) = (0usize, 0usize);
    for byte in code.bytes() {
        match byte {
            b'(' | b'[' | b'{' => open += 1,
            b')' | b']' | b'}' => open = open.saturating_sub(1),
            _ => continue,
        }
        most = most.max(open);
    }
    most
}
