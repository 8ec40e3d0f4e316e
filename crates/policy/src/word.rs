//! Words as bash expands them, as far as the text alone tells.

use brush_parser::word;
use brush_parser::word::Parameter;
use brush_parser::word::ParameterExpr;
use brush_parser::word::ParameterTransformOp;
use brush_parser::word::SpecialParameter;
use brush_parser::word::SubstringMatchKind;
use brush_parser::word::TildeExpr;
use brush_parser::word::WordPiece;
use brush_parser::word::WordPieceWithSource;

use crate::facts::Kind;
use crate::inside::Inside;
use crate::paths::ATOM;
use crate::paths::SEPARATOR;
use crate::paths::UNKNOWN;
use crate::shell::options;
use crate::walk::Walker;

/// The most words one word may expand to before it counts as unknown.
const MAX_FIELDS: usize = 64;

/// The longest text that one word may expand to, and all words of an action together, before they
/// count as unknown: `a=$a$a` doubles with every line.
const MAX_WORD: usize = 256 * 1024;
const MAX_WORDS: usize = 4 << 20;

/// The longest word with quotes and expansions that is read, in bytes, and how many of them it may
/// hold: the parser takes a fifth of a microsecond for each byte.
const MAX_READ: usize = 64 * 1024;
const MAX_PIECES: usize = 4000;

/// What is read in the place of a word that is not.
const UNKNOWN_WORD: &str = "\u{1}";

/// The text of a word in quotes that holds nothing else: no need to read it.
fn literal(raw: &str) -> Option<&str> {
    let inside = |quote: char| raw.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    let single = inside('\'').filter(|text| !text.contains('\''));
    single.or_else(|| inside('"').filter(|text| !text.contains(['"', '$', '`', '\\', '!'])))
}

/// Whether a brace stands outside quotes, so that it may open an expansion.
fn has_bare_brace(raw: &str) -> bool {
    let mut quote: Option<char> = None;
    let mut chars = raw.chars();
    let mut before = ' ';
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(open), c) if open == c => quote = None,
            (Some('"') | None, '\\') => {
                chars.next();
            }
            (None, '\'' | '"') => quote = Some(c),
            (None, '{') if before != '$' => return true,
            (_, _) => {}
        }
        before = c;
    }
    false
}

/// What the parser of words makes of one. It breaks down over a few, such as `~99999999999999999999`;
/// that is one more way of not reading them.
fn read<T>(parse: impl FnOnce() -> Option<T> + std::panic::UnwindSafe) -> Option<T> {
    std::panic::catch_unwind(parse).ok().flatten()
}

/// Fields under construction: unquoted text splits, quoted text does not.
#[derive(Default)]
struct Fields {
    size: usize,
    done: Vec<String>,
    current: Option<String>,
}

impl Fields {
    /// Counts a text; whether it still fits. Where it does not, the word is unknown.
    fn fits(&mut self, text: &str) -> bool {
        self.size = self.size.saturating_add(text.len());
        if self.size > MAX_WORD {
            self.done.clear();
            self.current = Some(UNKNOWN.to_string());
        }
        self.size <= MAX_WORD
    }

    fn join(&mut self, text: &str) {
        if !self.fits(text) {
            return;
        }
        self.current.get_or_insert_default().push_str(text);
    }

    /// Text that is not in quotes: every character of `ifs` ends a word.
    fn split(&mut self, text: &str, ifs: &str) {
        if !self.fits(text) {
            return;
        }
        let mut blank = true;
        for c in text.chars() {
            if c == SEPARATOR {
                self.done.extend(self.current.take());
                blank = true;
            } else if !ifs.contains(c) {
                self.current.get_or_insert_default().push(c);
                blank = false;
            } else if [' ', '\t', '\n'].contains(&c) {
                self.done.extend(self.current.take());
            } else {
                match self.current.take() {
                    Some(word) => self.done.push(word),
                    // Two marks with nothing between them enclose an empty word.
                    None if blank => self.done.push(String::new()),
                    None => {}
                }
                blank = true;
            }
        }
    }

    /// Text in quotes: only the elements of a list are words of their own.
    fn elements(&mut self, text: &str) {
        for (i, element) in text.split(SEPARATOR).enumerate() {
            if i > 0 {
                self.done.extend(self.current.take());
            }
            self.join(element);
        }
    }

    fn finish(mut self) -> Vec<String> {
        self.done.extend(self.current.take());
        self.done
    }
}

impl Walker<'_> {
    /// All fields of one word of a command line.
    pub(crate) fn fields(&mut self, raw: &str) -> Vec<String> {
        let mut out = Vec::new();
        for piece in self.braces(raw) {
            let mut fields = Fields::default();
            if let Some(text) = literal(&piece) {
                fields.join(text);
            } else {
                let piece = self.bounded(&piece);
                match read(|| word::parse(piece, &options()).ok()) {
                    Some(pieces) => self.pieces(&pieces, &mut fields, false),
                    None => {
                        self.not_understood(raw, "holds a word that cannot be read as bash does");
                        fields.join(&UNKNOWN.to_string());
                    }
                }
            }
            out.extend(self.counted(fields));
        }
        out
    }

    /// The finished words, unless the words of the action have come to too much.
    fn counted(&mut self, fields: Fields) -> Vec<String> {
        self.expanded = self.expanded.saturating_add(fields.size);
        if self.expanded > MAX_WORDS {
            self.not_understood("", "expands to more text than can be judged");
            return vec![UNKNOWN.to_string()];
        }
        fields.finish()
    }

    /// One word where bash does not split: assignments, redirect targets, `case` words.
    pub(crate) fn single(&mut self, raw: &str) -> String {
        let mut fields = Fields::default();
        if let Some(text) = literal(raw) {
            return text.to_owned();
        }
        let bounded = self.bounded(raw);
        match read(|| word::parse(bounded, &options()).ok()) {
            Some(pieces) => self.pieces(&pieces, &mut fields, true),
            None => {
                self.not_understood(raw, "holds a word that cannot be read as bash does");
                return UNKNOWN.to_string();
            }
        }
        self.counted(fields).join(" ")
    }

    /// The body of a here-document whose delimiter was not quoted.
    pub(crate) fn heredoc(&mut self, raw: &str) -> String {
        let mut fields = Fields::default();
        if !raw.contains(['$', '`', '\\']) {
            return raw.to_owned();
        }
        let bounded = self.bounded(raw);
        match read(|| word::parse_heredoc(bounded, &options()).ok()) {
            Some(pieces) => self.pieces(&pieces, &mut fields, true),
            None => {
                self.not_understood(raw, "holds a here-document that cannot be read as bash does");
                return UNKNOWN.to_string();
            }
        }
        self.counted(fields).join(" ")
    }

    /// A word that can be read in time; of another one nothing is known.
    fn bounded<'w>(&mut self, raw: &'w str) -> &'w str {
        let marks = raw.bytes().filter(|byte| b"$`\\'\"".contains(byte)).count();
        // The parser tries an expansion in another one several times, and so on for each in that.
        let tangled = Inside::of(raw).is_too_much() || raw.matches("$[").count() > 1;
        if marks <= MAX_PIECES && raw.len() <= MAX_READ && !tangled {
            return raw;
        }
        self.not_understood(raw, "holds more quotes and expansions in one word than can be judged");
        UNKNOWN_WORD
    }

    fn braces(&mut self, raw: &str) -> Vec<String> {
        if !raw.contains('{') || !(raw.contains(',') || raw.contains("..")) {
            return vec![raw.to_owned()];
        }
        if raw.len() > 4096 || raw.matches('{').count() > 12 {
            return match has_bare_brace(raw) {
                true => vec![raw.to_owned(), UNKNOWN.to_string()],
                false => vec![raw.to_owned()],
            };
        }
        let Some(Some(parts)) = read(|| word::parse_brace_expansions(raw, &options()).ok()) else {
            return vec![raw.to_owned()];
        };
        let words = expand_parts(&parts);
        if words.is_empty() || words.len() > MAX_FIELDS {
            return vec![raw.to_owned(), UNKNOWN.to_string()];
        }
        words
    }

    fn pieces(&mut self, pieces: &[WordPieceWithSource], out: &mut Fields, quoted: bool) {
        let mut dollar = false;
        for piece in pieces {
            if let WordPiece::Text(text) = &piece.piece {
                // `$/x` is no variable but a name that begins with a dollar: hardly ever meant.
                if !quoted && (text.contains("$/") || dollar && text.starts_with('/')) {
                    self.add(
                        Kind::Open,
                        "lone-dollar",
                        text,
                        "holds a `$` that names nothing, so a path in it is not what it seems",
                    );
                }
                dollar = text.ends_with('$');
            } else {
                dollar = false;
            }
            self.piece(&piece.piece, out, quoted);
        }
    }

    fn piece(&mut self, piece: &WordPiece, out: &mut Fields, quoted: bool) {
        match piece {
            WordPiece::Text(text) => {
                if text.contains("$[") {
                    self.not_understood(
                        text,
                        "uses the old arithmetic form `$[ ]`, which can run commands unseen",
                    );
                }
                out.join(text);
            }
            WordPiece::SingleQuotedText(text) => {
                if text.contains("[$(") || text.contains("[`") {
                    self.not_understood(text, "hides a command in an array index");
                }
                out.join(text);
            }
            WordPiece::AnsiCQuotedText(text) => out.join(&ansi_c(text)),
            WordPiece::DoubleQuotedSequence(inner)
            | WordPiece::GettextDoubleQuotedSequence(inner) => {
                out.join("");
                self.pieces(inner, out, true);
            }
            WordPiece::TildeExpansion(tilde) => {
                let text = match tilde {
                    TildeExpr::Home => self.context.home.clone(),
                    TildeExpr::UserHome(user) => format!("/home/{user}"),
                    TildeExpr::WorkingDir => self.cwd.clone().unwrap_or(UNKNOWN.to_string()),
                    TildeExpr::OldWorkingDir
                    | TildeExpr::NthDirFromTopOfDirStack { .. }
                    | TildeExpr::NthDirFromBottomOfDirStack { .. } => UNKNOWN.to_string(),
                };
                out.join(&text);
            }
            WordPiece::ParameterExpansion(expr) => {
                let text = self.parameter(expr);
                if quoted && text.contains(SEPARATOR) && concatenates(expr) {
                    let joined = match self.ifs() {
                        Some(ifs) => {
                            let mark = ifs.chars().next().map(String::from).unwrap_or_default();
                            text.replace(SEPARATOR, &mark)
                        }
                        None => UNKNOWN.to_string(),
                    };
                    out.join(&joined);
                } else if quoted {
                    out.elements(&text);
                } else {
                    self.split(&text, out);
                }
            }
            WordPiece::CommandSubstitution(text) => {
                let value = self.substitution(text);
                if quoted { out.join(&value) } else { self.split(&value, out) }
            }
            WordPiece::BackquotedCommandSubstitution(text) => {
                let value = self.substitution(
                    &text.replace("\\`", "`").replace("\\$", "$").replace("\\\\", "\\"),
                );
                if quoted { out.join(&value) } else { self.split(&value, out) }
            }
            WordPiece::EscapeSequence(text) => {
                let plain = text.strip_prefix('\\').unwrap_or(text);
                if plain != "\n" {
                    out.join(plain);
                }
            }
            WordPiece::ArithmeticExpression(expr) => {
                self.arithmetic(&expr.value);
                out.join(&ATOM.to_string());
            }
        }
    }

    /// Arithmetic runs the commands in its substitutions and array indices.
    pub(crate) fn arithmetic(&mut self, text: &str) {
        let runs = text.contains("$(") && !text.contains("$((") || text.contains('`');
        if (runs && (text.contains('\'') || text.contains('['))) || text.contains("[$(") {
            self.not_understood(text, "runs a command inside arithmetic");
        }
        if text.contains('$') || text.contains('`') {
            let _ = self.single(text);
        }
    }

    fn parameter(&mut self, expr: &ParameterExpr) -> String {
        match expr {
            ParameterExpr::Parameter { parameter, indirect } => {
                let value = self.value(parameter);
                if !indirect {
                    return value;
                }
                match self.vars.get(&value) {
                    Some(value) => first(value),
                    None => UNKNOWN.to_string(),
                }
            }
            ParameterExpr::UseDefaultValues { parameter, default_value, .. } => {
                let value = self.value(parameter);
                let default = self.words(default_value.as_deref().unwrap_or_default());
                if value.is_empty() { default } else { value }
            }
            ParameterExpr::AssignDefaultValues { parameter, default_value, .. } => {
                let value = self.value(parameter);
                let default = self.single(default_value.as_deref().unwrap_or_default());
                if let Parameter::Named(name) = parameter {
                    let span = format!("{name}:={default}");
                    self.assigned(name, &default, &span);
                    self.vars.insert(name.clone(), UNKNOWN.to_string());
                }
                if value.is_empty() { default } else { value }
            }
            ParameterExpr::IndicateErrorIfNullOrUnset { parameter, error_message, .. } => {
                let _ = self.single(error_message.as_deref().unwrap_or_default());
                self.value(parameter)
            }
            ParameterExpr::UseAlternativeValue { parameter, alternative_value, .. } => {
                let value = self.value(parameter);
                let other = self.words(alternative_value.as_deref().unwrap_or_default());
                if value.is_empty() {
                    String::new()
                } else if value.contains(UNKNOWN) {
                    UNKNOWN.to_string()
                } else {
                    other
                }
            }
            ParameterExpr::ParameterLength { parameter, .. } => {
                let _ = self.value(parameter);
                ATOM.to_string()
            }
            ParameterExpr::RemoveSmallestSuffixPattern { parameter, pattern, .. } => {
                self.cut(parameter, pattern.as_deref(), |v, p| match p {
                    "/*" => v.rsplit_once('/').map_or(v, |(head, _)| head).to_owned(),
                    ".*" => v.rsplit_once('.').map_or(v, |(head, _)| head).to_owned(),
                    p => v.strip_suffix(p).unwrap_or(v).to_owned(),
                })
            }
            ParameterExpr::RemoveLargestSuffixPattern { parameter, pattern, .. } => {
                self.cut(parameter, pattern.as_deref(), |v, p| match p {
                    "/*" => v.split_once('/').map_or(v, |(head, _)| head).to_owned(),
                    ".*" => v.split_once('.').map_or(v, |(head, _)| head).to_owned(),
                    p => v.strip_suffix(p).unwrap_or(v).to_owned(),
                })
            }
            ParameterExpr::RemoveSmallestPrefixPattern { parameter, pattern, .. } => {
                self.cut(parameter, pattern.as_deref(), |v, p| match p {
                    "*/" => v.split_once('/').map_or(v, |(_, tail)| tail).to_owned(),
                    p => v.strip_prefix(p).unwrap_or(v).to_owned(),
                })
            }
            ParameterExpr::RemoveLargestPrefixPattern { parameter, pattern, .. } => {
                self.cut(parameter, pattern.as_deref(), |v, p| match p {
                    "*/" => v.rsplit_once('/').map_or(v, |(_, tail)| tail).to_owned(),
                    "*." => v.rsplit_once('.').map_or(v, |(_, tail)| tail).to_owned(),
                    p => v.strip_prefix(p).unwrap_or(v).to_owned(),
                })
            }
            ParameterExpr::Substring { parameter, offset, length, .. } => {
                self.arithmetic(&offset.value);
                if let Some(length) = length {
                    self.arithmetic(&length.value);
                }
                let value = self.value(parameter);
                let from = offset.value.trim().parse::<usize>();
                let count = length.as_ref().map(|l| l.value.trim().parse::<usize>());
                let positional = matches!(parameter, Parameter::Special(_));
                let listed =
                    positional || matches!(parameter, Parameter::NamedWithAllIndices { .. });
                match (from, count) {
                    // Of a list it takes elements; the first argument has the number one.
                    (Ok(from), count) if listed && from > 0 && countable(&value) => {
                        let most = match count {
                            None => usize::MAX,
                            Some(Ok(count)) => count,
                            Some(Err(_)) => return UNKNOWN.to_string(),
                        };
                        let elements = value.split(SEPARATOR).skip(from - usize::from(positional));
                        let taken: Vec<&str> = elements.take(most).collect();
                        taken.join(&SEPARATOR.to_string())
                    }
                    _ if listed => UNKNOWN.to_string(),
                    (Ok(from), None) if known(&value) => value.chars().skip(from).collect(),
                    (Ok(from), Some(Ok(count))) if known(&value) => {
                        value.chars().skip(from).take(count).collect()
                    }
                    (Ok(_) | Err(_), _) => UNKNOWN.to_string(),
                }
            }
            ParameterExpr::Transform { parameter, op, .. } => {
                let value = self.value(parameter);
                match op {
                    ParameterTransformOp::PromptExpand => {
                        self.not_understood(
                            "${…@P}",
                            "expands a variable as a prompt, which can run commands",
                        );
                        UNKNOWN.to_string()
                    }
                    ParameterTransformOp::ToLowerCase => value.to_lowercase(),
                    ParameterTransformOp::ToUpperCase => value.to_uppercase(),
                    ParameterTransformOp::CapitalizeInitial
                    | ParameterTransformOp::ExpandEscapeSequences
                    | ParameterTransformOp::PossiblyQuoteWithArraysExpanded { .. }
                    | ParameterTransformOp::Quoted
                    | ParameterTransformOp::ToAssignmentLogic
                    | ParameterTransformOp::ToAttributeFlags => UNKNOWN.to_string(),
                }
            }
            ParameterExpr::UppercasePattern { parameter, pattern: None, .. } => {
                self.value(parameter).to_uppercase()
            }
            ParameterExpr::LowercasePattern { parameter, pattern: None, .. } => {
                self.value(parameter).to_lowercase()
            }
            ParameterExpr::UppercaseFirstChar { parameter, pattern, .. }
            | ParameterExpr::UppercasePattern { parameter, pattern, .. }
            | ParameterExpr::LowercaseFirstChar { parameter, pattern, .. }
            | ParameterExpr::LowercasePattern { parameter, pattern, .. } => {
                let _ = self.single(pattern.as_deref().unwrap_or_default());
                atom_or_unknown(&self.value(parameter))
            }
            ParameterExpr::ReplaceSubstring {
                parameter, pattern, replacement, match_kind, ..
            } => {
                let pattern = self.single(pattern);
                let replacement = self.single(replacement.as_deref().unwrap_or_default());
                let value = self.value(parameter);
                let plain = known(&value)
                    && !value.contains(SEPARATOR)
                    && known(&pattern)
                    && !pattern.contains(['*', '?', '[']);
                match match_kind {
                    SubstringMatchKind::FirstOccurrence if plain => {
                        value.replacen(&pattern, &replacement, 1)
                    }
                    SubstringMatchKind::Anywhere if plain => value.replace(&pattern, &replacement),
                    SubstringMatchKind::FirstOccurrence
                    | SubstringMatchKind::Anywhere
                    | SubstringMatchKind::Prefix
                    | SubstringMatchKind::Suffix => UNKNOWN.to_string(),
                }
            }
            ParameterExpr::VariableNames { .. } | ParameterExpr::MemberKeys { .. } => {
                ATOM.to_string()
            }
        }
    }

    fn cut(
        &mut self,
        parameter: &Parameter,
        pattern: Option<&str>,
        how: impl Fn(&str, &str) -> String,
    ) -> String {
        let value = self.value(parameter);
        let pattern = self.single(pattern.unwrap_or_default());
        let simple = ["/*", ".*", "*/", "*."].contains(&pattern.as_str())
            || !pattern.contains(['*', '?', '[']);
        // A glob in the value stands for names of the same shape, so cutting its text is sound.
        if value.contains(SEPARATOR) {
            UNKNOWN.to_string()
        } else if simple && !value.contains(UNKNOWN) && known(&pattern) {
            how(&value, &pattern)
        } else {
            atom_or_unknown(&value)
        }
    }

    fn value(&mut self, parameter: &Parameter) -> String {
        match parameter {
            Parameter::Positional(0) => UNKNOWN.to_string(),
            Parameter::Positional(n) => match &self.positional {
                Some(args) => {
                    args.get((*n as usize).saturating_sub(1)).cloned().unwrap_or_default()
                }
                None => UNKNOWN.to_string(),
            },
            Parameter::Special(special) => match special {
                SpecialParameter::AllPositionalParameters { .. } => match &self.positional {
                    Some(args) => args.join(&SEPARATOR.to_string()),
                    None => UNKNOWN.to_string(),
                },
                SpecialParameter::PositionalParameterCount
                | SpecialParameter::LastExitStatus
                | SpecialParameter::ProcessId
                | SpecialParameter::LastBackgroundProcessId
                | SpecialParameter::CurrentOptionFlags => ATOM.to_string(),
                SpecialParameter::ShellName => UNKNOWN.to_string(),
            },
            Parameter::Named(name) => first(&self.variable(name)),
            Parameter::NamedWithIndex { name, index } => {
                self.arithmetic(index);
                if index.contains("$(") || index.contains('`') {
                    self.not_understood(index, "runs a command inside an array index");
                }
                let value = self.variable(name);
                let elements: Vec<&str> = value.split(SEPARATOR).collect();
                match (elements.as_slice(), index.trim().parse::<usize>()) {
                    ([only], _) => (*only).to_owned(),
                    (elements, Ok(at)) if countable(&value) => {
                        elements.get(at).map(|element| (*element).to_owned()).unwrap_or_default()
                    }
                    // Which of them it is cannot be told, so only what all have in common is known.
                    (elements, _) if elements.iter().all(|element| is_plain(element)) => {
                        ATOM.to_string()
                    }
                    (_, _) => UNKNOWN.to_string(),
                }
            }
            Parameter::NamedWithAllIndices { name, .. } => self.variable(name),
        }
    }

    /// What splits words that are not in quotes; `None` when that is not known.
    fn ifs(&self) -> Option<&str> {
        match self.vars.get("IFS") {
            None => Some(" \t\n"),
            Some(ifs) if known(ifs) && !ifs.contains(SEPARATOR) => Some(ifs),
            Some(_) => None,
        }
    }

    fn split(&self, text: &str, out: &mut Fields) {
        match self.ifs() {
            Some(ifs) => out.split(text, ifs),
            None if text.is_empty() => {}
            None => out.join(&UNKNOWN.to_string()),
        }
    }

    /// The word after `:-` or `:+`: lists in quotes stay lists.
    fn words(&mut self, raw: &str) -> String {
        let mut fields = Fields::default();
        match read(|| word::parse(raw, &options()).ok()) {
            Some(pieces) => self.pieces(&pieces, &mut fields, true),
            None => {
                self.not_understood(raw, "holds a word that cannot be read as bash does");
                return UNKNOWN.to_string();
            }
        }
        self.counted(fields).join(&SEPARATOR.to_string())
    }

    fn variable(&mut self, name: &str) -> String {
        if let Some(value) = self.vars.get(name) {
            return value.clone();
        }
        match name {
            "HOME" => self.context.home.clone(),
            "PWD" => self.cwd.clone().unwrap_or(UNKNOWN.to_string()),
            "IFS" => " \t\n".to_owned(),
            "RANDOM" | "SECONDS" | "LINENO" | "EPOCHSECONDS" | "BASHPID" | "PPID" | "UID"
            | "EUID" | "USER" | "LOGNAME" | "HOSTNAME" | "SHLVL" | "OSTYPE" | "HOSTTYPE"
            | "COLUMNS" | "LINES" => ATOM.to_string(),
            "TMPDIR" => "/tmp".to_owned(),
            "PATH" => "/usr/bin".to_owned(),
            _ => UNKNOWN.to_string(),
        }
    }
}

/// Whether every part of a value is known.
pub(crate) fn known(value: &str) -> bool {
    !value.contains([UNKNOWN, ATOM])
}

/// Whether an array's elements stand where its text has them: what is not known may be none or many.
fn countable(value: &str) -> bool {
    !value.contains([UNKNOWN, ATOM, '*', '?', '['])
}

/// A word that names nothing elsewhere, whatever is done with it.
pub(crate) fn is_plain(word: &str) -> bool {
    !word.contains(|c: char| c == UNKNOWN || c == SEPARATOR || c == '/' || c.is_whitespace())
        && !word.starts_with(['-', '.', '~', '*', '?', '['])
        && !word.is_empty()
}

/// What an array is without an index.
fn first(value: &str) -> String {
    value.split(SEPARATOR).next().unwrap_or_default().to_owned()
}

/// Whether an expansion in quotes makes one word of a list.
fn concatenates(expr: &ParameterExpr) -> bool {
    match expr {
        ParameterExpr::Parameter { parameter, .. }
        | ParameterExpr::UseDefaultValues { parameter, .. }
        | ParameterExpr::UseAlternativeValue { parameter, .. }
        | ParameterExpr::Substring { parameter, .. } => matches!(
            parameter,
            Parameter::Special(SpecialParameter::AllPositionalParameters { concatenate: true })
                | Parameter::NamedWithAllIndices { concatenate: true, .. }
        ),
        _ => false,
    }
}

fn atom_or_unknown(value: &str) -> String {
    if value.contains([UNKNOWN, SEPARATOR, '/']) { UNKNOWN.to_string() } else { ATOM.to_string() }
}

fn expand_parts(parts: &[word::BraceExpressionOrText]) -> Vec<String> {
    let mut words = vec![String::new()];
    for part in parts {
        let choices: Vec<String> = match part {
            word::BraceExpressionOrText::Text(text) => vec![text.clone()],
            word::BraceExpressionOrText::Expr(members) => {
                members.iter().flat_map(expand_member).collect()
            }
        };
        if words.len() * choices.len() > MAX_FIELDS {
            return Vec::new();
        }
        words = words
            .iter()
            .flat_map(|word| choices.iter().map(move |choice| format!("{word}{choice}")))
            .collect();
    }
    words
}

fn expand_member(member: &word::BraceExpressionMember) -> Vec<String> {
    match member {
        word::BraceExpressionMember::NumberSequence { start, end, increment } => {
            let step = increment.unsigned_abs().max(1);
            let (low, high) = ((*start).min(*end), (*start).max(*end));
            if high.abs_diff(low) / step > MAX_FIELDS as u64 {
                return vec![ATOM.to_string()];
            }
            (0..=high.abs_diff(low) / step)
                .filter_map(|i| low.checked_add_unsigned(i * step))
                .map(|n| n.to_string())
                .collect()
        }
        word::BraceExpressionMember::CharSequence { start, end, .. } => {
            let (low, high) = ((*start).min(*end), (*start).max(*end));
            (low..=high).map(|c| c.to_string()).collect()
        }
        word::BraceExpressionMember::Child(parts) => expand_parts(parts),
    }
}

/// The text of a `$'…'` word.
fn ansi_c(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        let Some(kind) = chars.next() else { break };
        let mut digits = |radix: u32, most: usize, first: Option<char>| {
            let mut number = first.and_then(|c| c.to_digit(radix)).unwrap_or(0);
            let mut left = most;
            while left > 0
                && let Some(digit) = chars.peek().and_then(|c| c.to_digit(radix))
            {
                number = number.saturating_mul(radix).saturating_add(digit);
                chars.next();
                left -= 1;
            }
            char::from_u32(number)
                .filter(|c| ![ATOM, SEPARATOR, '\0'].contains(c))
                .unwrap_or(UNKNOWN)
        };
        match kind {
            'n' => out.push('\n'),
            't' => out.push('\t'),
            'r' => out.push('\r'),
            'a' | 'b' | 'f' | 'v' => out.push(' '),
            'e' | 'E' => out.push('\u{1b}'),
            'x' => out.push(digits(16, 2, None)),
            'u' => out.push(digits(16, 4, None)),
            'U' => out.push(digits(16, 8, None)),
            'c' => out.push(UNKNOWN),
            '0'..='7' => out.push(digits(8, 2, Some(kind))),
            other => out.push(other),
        }
    }
    out
}
