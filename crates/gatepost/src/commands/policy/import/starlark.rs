//! As much of Starlark as rule files are written in: calls with named arguments that are texts and
//! lists. Whatever else stands there is told with its line, and reading goes on behind it.

use std::iter::Peekable;
use std::str::Chars;

/// Lists in lists; rules need two levels.
const DEEPEST: usize = 8;

/// One call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Call {
    /// Its first line, from 1.
    pub(super) line: usize,
    pub(super) name: String,
    pub(super) arguments: Vec<(String, Value)>,
}

/// What an argument is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Text(String),
    List(Vec<Value>),
}

/// A statement that is not understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wrong {
    /// Its line, from 1.
    pub(super) line: usize,
    pub(super) why: String,
}

impl Call {
    /// An argument by its name.
    pub(super) fn argument(&self, name: &str) -> Option<&Value> {
        self.arguments.iter().find(|(given, _)| given == name).map(|(_, value)| value)
    }
}

/// Every statement of a file.
pub(super) fn statements(text: &str) -> Vec<Result<Call, Wrong>> {
    let mut reader = Reader { chars: text.chars().peekable(), line: 1 };
    let mut statements = Vec::new();
    loop {
        reader.space();
        if reader.chars.peek().is_none() {
            return statements;
        }
        let line = reader.line;
        match reader.call() {
            Ok(call) => statements.push(Ok(call)),
            Err(why) => {
                statements.push(Err(Wrong { line: reader.line.max(line), why }));
                reader.skip();
            }
        }
    }
}

struct Reader<'a> {
    chars: Peekable<Chars<'a>>,
    line: usize,
}

impl Reader<'_> {
    fn next(&mut self) -> Option<char> {
        let c = self.chars.next()?;
        if c == '\n' {
            self.line += 1;
        }
        Some(c)
    }

    /// Goes over white space and comments.
    fn space(&mut self) {
        while let Some(c) = self.chars.peek() {
            match c {
                '#' => {
                    while self.chars.peek().is_some_and(|c| *c != '\n') {
                        self.next();
                    }
                }
                c if c.is_whitespace() || *c == ';' => {
                    self.next();
                }
                _ => return,
            }
        }
    }

    /// Goes to the next line that begins a statement.
    fn skip(&mut self) {
        let mut fresh = false;
        while let Some(c) = self.chars.peek().copied() {
            if fresh && (c.is_alphabetic() || c == '_' || c == '#') {
                return;
            }
            fresh = c == '\n';
            self.next();
        }
    }

    fn takes(&mut self, wanted: char) -> bool {
        self.space();
        let found = self.chars.peek() == Some(&wanted);
        if found {
            self.next();
        }
        found
    }

    fn word(&mut self) -> Option<String> {
        self.space();
        let mut word = String::new();
        while let Some(c) = self.chars.peek().filter(|c| c.is_alphanumeric() || **c == '_') {
            word.push(*c);
            self.next();
        }
        (!word.is_empty()).then_some(word)
    }

    fn call(&mut self) -> Result<Call, String> {
        let line = self.line;
        let other = || "only calls with named texts and lists are understood here".to_owned();
        let name = self.word().ok_or_else(other)?;
        if !self.takes('(') {
            return Err(other());
        }
        let mut arguments: Vec<(String, Value)> = Vec::new();
        while !self.takes(')') {
            let argument = self.word().ok_or_else(other)?;
            if !self.takes('=') || arguments.iter().any(|(given, _)| *given == argument) {
                return Err(other());
            }
            arguments.push((argument, self.value(0)?));
            if !self.takes(',') && self.chars.peek() != Some(&')') {
                return Err(other());
            }
        }
        Ok(Call { line, name, arguments })
    }

    fn value(&mut self, depth: usize) -> Result<Value, String> {
        if depth > DEEPEST {
            return Err("lists lie too deep in each other".to_owned());
        }
        self.space();
        match self.chars.peek() {
            Some('[') => {
                self.next();
                let mut values = Vec::new();
                while !self.takes(']') {
                    values.push(self.value(depth + 1)?);
                    if !self.takes(',') && self.chars.peek() != Some(&']') {
                        return Err("a list is not closed, or holds more than texts".to_owned());
                    }
                }
                Ok(Value::List(values))
            }
            Some('"' | '\'') => self.text().map(Value::Text),
            Some(_) | None => Err("a value is neither a text nor a list".to_owned()),
        }
    }

    fn text(&mut self) -> Result<String, String> {
        let quote = self.next().unwrap_or_default();
        let mut text = String::new();
        while let Some(c) = self.next() {
            match c {
                c if c == quote => {
                    // Three of them, and two texts side by side, mean something else.
                    return match self.chars.peek() {
                        Some('"' | '\'') => {
                            Err("a text is written in a form not known here".to_owned())
                        }
                        Some(_) | None => Ok(text),
                    };
                }
                '\n' => break,
                '\\' => text.push(match self.next() {
                    Some('n') => '\n',
                    Some('t') => '\t',
                    Some(same @ ('\\' | '"' | '\'')) => same,
                    Some(_) | None => {
                        return Err("a text holds an escape not known here".to_owned());
                    }
                }),
                c => text.push(c),
            }
        }
        Err("a text is not closed".to_owned())
    }
}
