//! What a value of code is, as far as its text tells.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::tree::Function;
use crate::paths::ATOM;
use crate::paths::UNKNOWN;

/// The most values one may be before it counts as any.
const MAX_CHOICES: usize = 12;

/// How many values one may be made of before it counts as data.
pub(super) const MAX_WEIGHT: usize = 2000;

/// The longest text that is kept; a longer one is data, not a name.
const MAX_TEXT: usize = 64 * 1024;

/// A value.
#[derive(Debug, Clone)]
pub(super) enum Value {
    /// Data: what a file held, an argument, an answer.
    Unknown,
    /// Text that the code makes from what it hides; whatever it names is hidden as well.
    Hidden,
    /// A value that names nothing.
    Plain,
    /// A whole number.
    Number(i64),
    /// A text; what is not known of it stands as in the shell's words.
    Text(String),
    /// A path object.
    Path(String),
    /// The content of a file.
    Content(String),
    /// A list in order.
    List(Vec<Value>),
    /// A list of any length, each element of which is this.
    Many(Box<Value>),
    /// Values by name.
    Map(BTreeMap<String, Value>),
    /// A module, function or type of a library, or an object of such a type, by its full name.
    Library(String),
    /// A name that the code neither defines nor brings in.
    Unbound(String),
    /// A function of the code itself.
    Function(Rc<Function>),
    /// One of these.
    Choice(Vec<Value>),
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Unknown, Self::Unknown)
            | (Self::Hidden, Self::Hidden)
            | (Self::Plain, Self::Plain) => true,
            (Self::Number(a), Self::Number(b)) => a == b,
            (Self::Text(a), Self::Text(b))
            | (Self::Path(a), Self::Path(b))
            | (Self::Content(a), Self::Content(b))
            | (Self::Library(a), Self::Library(b))
            | (Self::Unbound(a), Self::Unbound(b)) => a == b,
            (Self::List(a), Self::List(b)) | (Self::Choice(a), Self::Choice(b)) => a == b,
            (Self::Many(a), Self::Many(b)) => a == b,
            (Self::Map(a), Self::Map(b)) => a == b,
            (Self::Function(a), Self::Function(b)) => a.id == b.id,
            _ => false,
        }
    }
}

impl Value {
    /// One of two.
    pub(super) fn or(self, other: Self) -> Self {
        if self == other {
            return self;
        }
        let mut all = Vec::new();
        for one in [self, other] {
            match one {
                Self::Choice(some) => all.extend(some),
                one => all.push(one),
            }
        }
        let mut kept: Vec<Self> = Vec::new();
        for one in all {
            if !kept.contains(&one) {
                kept.push(one);
            }
        }
        if kept.contains(&Self::Hidden) {
            Self::Hidden
        } else if kept.len() > MAX_CHOICES {
            Self::Unknown
        } else if kept.len() == 1 {
            kept.pop().unwrap_or(Self::Unknown)
        } else {
            Self::Choice(kept)
        }
    }

    /// How many values it is made of, up to a little more than [`MAX_WEIGHT`].
    pub(super) fn weight(&self) -> usize {
        fn add(value: &Value, sum: &mut usize) {
            *sum += 1;
            if *sum > MAX_WEIGHT {
                return;
            }
            match value {
                Value::List(all) | Value::Choice(all) => all.iter().for_each(|one| add(one, sum)),
                Value::Many(one) => add(one, sum),
                Value::Map(all) => all.values().for_each(|one| add(one, sum)),
                _ => {}
            }
        }
        let mut sum = 0;
        add(self, &mut sum);
        sum
    }

    /// Every value this may be.
    pub(super) fn choices(&self) -> &[Self] {
        match self {
            Self::Choice(all) => all,
            one => std::slice::from_ref(one),
        }
    }

    /// It as text, with unknown parts.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Text(text) | Self::Path(text) => text.clone(),
            Self::Number(number) => number.to_string(),
            Self::Plain => ATOM.to_string(),
            Self::Choice(_)
            | Self::Unknown
            | Self::Hidden
            | Self::Content(_)
            | Self::List(_)
            | Self::Many(_)
            | Self::Map(_)
            | Self::Library(_)
            | Self::Unbound(_)
            | Self::Function(_) => UNKNOWN.to_string(),
        }
    }

    /// Its text where all of it is known.
    pub(super) fn known(&self) -> Option<&str> {
        match self {
            Self::Text(text) | Self::Path(text) if !text.contains([UNKNOWN, ATOM]) => Some(text),
            _ => None,
        }
    }

    /// Whether any part of it was hidden on purpose.
    pub(super) fn is_hidden(&self) -> bool {
        match self {
            Self::Hidden => true,
            Self::List(all) | Self::Choice(all) => all.iter().any(Self::is_hidden),
            Self::Many(one) => one.is_hidden(),
            Self::Map(all) => all.values().any(Self::is_hidden),
            _ => false,
        }
    }

    /// What going through it gives, one after another; `None` for one that stands for all.
    pub(super) fn elements(&self) -> Result<Vec<Self>, Box<Self>> {
        match self {
            Self::List(all) => Ok(all.clone()),
            Self::Map(all) => Ok(all.keys().cloned().map(Self::Text).collect()),
            Self::Many(one) => Err(one.clone()),
            Self::Hidden => Err(Box::new(Self::Hidden)),
            Self::Choice(all) => {
                let mut one: Option<Self> = None;
                for choice in all {
                    let each = match choice.elements() {
                        Ok(several) => several,
                        Err(single) => vec![*single],
                    };
                    for value in each {
                        one = Some(one.map_or(value.clone(), |before| before.or(value)));
                    }
                }
                Err(Box::new(one.unwrap_or(Self::Unknown)))
            }
            Self::Text(text) if text.len() <= 64 && self.known().is_some() => {
                Ok(text.chars().map(|c| Self::Text(c.to_string())).collect())
            }
            Self::Number(_) | Self::Plain => Err(Box::new(Self::Plain)),
            _ => Err(Box::new(Self::Unknown)),
        }
    }

    /// Texts, numbers and paths one after another; hidden when a part is.
    pub(super) fn glued(parts: &[Self]) -> Self {
        let mut ways = vec![String::new()];
        for part in parts {
            if part.is_hidden() {
                return Self::Hidden;
            }
            let choices = part.choices();
            if ways.len() * choices.len() > MAX_CHOICES {
                for way in &mut ways {
                    way.push(UNKNOWN);
                }
                continue;
            }
            ways = ways
                .iter()
                .flat_map(|way| choices.iter().map(move |one| format!("{way}{}", one.text())))
                .collect();
        }
        let mut whole: Option<Self> = None;
        for way in ways {
            let way = if way.len() > MAX_TEXT { UNKNOWN.to_string() } else { way };
            let way = Self::Text(way);
            whole = Some(whole.map_or(way.clone(), |before| before.or(way)));
        }
        whole.unwrap_or(Self::Unknown)
    }

    /// Paths one below the other; an absolute one begins anew.
    pub(super) fn joined(parts: &[Self]) -> Self {
        let mut whole: Option<Self> = None;
        for part in parts {
            if part.is_hidden() {
                return Self::Hidden;
            }
            whole = Some(match whole {
                None => part.clone(),
                Some(before) => {
                    let mut all: Option<Self> = None;
                    for head in before.choices() {
                        for tail in part.choices() {
                            let (head, tail) = (head.text(), tail.text());
                            let one = if tail.starts_with('/') || head.is_empty() {
                                tail
                            } else {
                                format!("{}/{tail}", head.trim_end_matches('/'))
                            };
                            let one = Self::Text(one);
                            all = Some(all.map_or(one.clone(), |before| before.or(one)));
                        }
                    }
                    all.unwrap_or(Self::Unknown)
                }
            });
        }
        whole.unwrap_or(Self::Unknown)
    }

    /// The same as a path object.
    pub(super) fn into_path(self) -> Self {
        match self {
            Self::Text(text) => Self::Path(text),
            Self::Choice(all) => Self::Choice(all.into_iter().map(Self::into_path).collect()),
            Self::Hidden => Self::Hidden,
            Self::Path(text) => Self::Path(text),
            _ => Self::Path(UNKNOWN.to_string()),
        }
    }

    /// An element by its place or name.
    pub(super) fn element(&self, index: &Self) -> Self {
        match (self, index) {
            (Self::List(all), Self::Number(at)) => {
                let at = if *at < 0 { *at + all.len() as i64 } else { *at };
                let found = usize::try_from(at).ok().and_then(|at| all.get(at).cloned());
                found.unwrap_or(Self::Unknown)
            }
            (Self::List(all), _) => all.iter().cloned().reduce(Self::or).unwrap_or(Self::Unknown),
            (Self::Many(one), _) => (**one).clone(),
            (Self::Map(all), Self::Text(name)) => {
                all.get(name).or_else(|| all.get("*")).cloned().unwrap_or(Self::Unknown)
            }
            (Self::Map(all), _) => all.values().cloned().reduce(Self::or).unwrap_or(Self::Unknown),
            (Self::Choice(all), index) => {
                let each = all.iter().map(|one| one.element(index));
                each.reduce(Self::or).unwrap_or(Self::Unknown)
            }
            (Self::Text(_), Self::Number(at)) => match self.known() {
                Some(text) => {
                    let count = text.chars().count() as i64;
                    let at = if *at < 0 { *at + count } else { *at };
                    let found = usize::try_from(at).ok().and_then(|at| text.chars().nth(at));
                    found.map_or(Self::Unknown, |c| Self::Text(c.to_string()))
                }
                None => Self::Unknown,
            },
            (Self::Hidden, _) => Self::Hidden,
            (_, _) => Self::Unknown,
        }
    }

    /// A part of a list or a text.
    pub(super) fn slice(&self, from: Option<i64>, to: Option<i64>) -> Self {
        let range = |count: usize| {
            let end = |end: i64| {
                let end = if end < 0 { end + count as i64 } else { end };
                usize::try_from(end).unwrap_or(0).min(count)
            };
            let (from, to) = (from.map_or(0, end), to.map_or(count, end));
            (from, to.saturating_sub(from))
        };
        match self {
            Self::List(all) => {
                let (from, count) = range(all.len());
                Self::List(all.iter().skip(from).take(count).cloned().collect())
            }
            Self::Many(one) => Self::Many(one.clone()),
            Self::Hidden => Self::Hidden,
            Self::Text(_) => match self.known() {
                Some(text) => {
                    let (from, count) = range(text.chars().count());
                    Self::Text(text.chars().skip(from).take(count).collect())
                }
                None => Self::Unknown,
            },
            _ => Self::Unknown,
        }
    }

    /// Last first.
    pub(super) fn reversed(&self) -> Self {
        match self {
            Self::List(all) => Self::List(all.iter().rev().cloned().collect()),
            Self::Many(one) => Self::Many(one.clone()),
            Self::Text(_) => match self.known() {
                Some(text) => Self::Text(text.chars().rev().collect()),
                None => Self::Unknown,
            },
            Self::Hidden => Self::Hidden,
            _ => Self::Unknown,
        }
    }
}
