//! Follows code through its small tree: what each value is, what each call does.
//!
//! Constants are carried through variables, functions, lists and the text functions of the
//! language, so that a path put together from pieces is the path it is. Where ways part, both are
//! followed and a value may be either. A function that nothing calls is followed with arguments
//! that nobody knows. What calls do stands in the tables of `library`.

use std::collections::BTreeSet;
use std::collections::HashMap;
use std::collections::HashSet;
use std::rc::Rc;

use super::library::Given;
use super::library::Library;
use super::tree::Argument;
use super::tree::Call;
use super::tree::Function;
use super::tree::Step;
use super::tree::Target;
use super::tree::Tree;
use super::value::MAX_WEIGHT;
use super::value::Value;
use crate::facts::Kind;
use crate::walk::Walker;
use crate::written::Language;

/// How many expressions are followed before code is too much of it.
const MAX_STEPS: usize = 24_000;
/// Beyond this many, loops and calls are followed once for all their values.
const FEW_STEPS: usize = 8_000;
/// How many values of a list are followed one by one.
const MAX_VALUES: usize = 24;
/// How deep functions are followed into each other.
const MAX_CALLS: usize = 8;

pub(super) type Scope = HashMap<String, Value>;

/// Code being followed.
pub(super) struct Follower<'w, 'c> {
    pub(super) walker: &'w mut Walker<'c>,
    pub(super) library: &'static Library,
    pub(super) language: Language,
    code: &'w str,
    scopes: Vec<Scope>,
    /// What the variables of functions were when those ended: what a function made and gave away
    /// still knows them. Only names that are told from all others.
    ended: Scope,
    /// Attributes by their name, whatever object they belong to.
    members: Scope,
    /// What the functions that are being followed return.
    returns: Vec<Option<Value>>,
    running: Vec<usize>,
    called: HashSet<usize>,
    defined: Vec<Rc<Function>>,
    /// The functions in `defined`.
    known: HashSet<usize>,
    steps: usize,
    /// Texts that a function of the tables was given, so that it is known what they are for.
    pub(super) accounted: BTreeSet<String>,
    /// The modules of the project that were brought in.
    pub(super) own_modules: BTreeSet<String>,
    /// Modules that all names were taken from.
    pub(super) stars: Vec<String>,
    /// Whether names came in that are not told (`from x import *`).
    pub(super) any_name: bool,
}

impl<'w, 'c> Follower<'w, 'c> {
    pub(super) fn new(
        walker: &'w mut Walker<'c>,
        library: &'static Library,
        language: Language,
        code: &'w str,
    ) -> Self {
        Self {
            walker,
            library,
            language,
            code,
            scopes: vec![Scope::new()],
            ended: Scope::new(),
            members: Scope::new(),
            returns: Vec::new(),
            running: Vec::new(),
            called: HashSet::new(),
            defined: Vec::new(),
            known: HashSet::new(),
            steps: 0,
            accounted: BTreeSet::new(),
            own_modules: BTreeSet::new(),
            stars: Vec::new(),
            any_name: false,
        }
    }

    /// Follows a whole program, and every function in it that it does not call itself.
    pub(super) fn program(&mut self, steps: &[Step]) {
        self.block(steps);
        let mut next = 0;
        while let Some(function) = self.defined.get(next).cloned() {
            next += 1;
            if !self.called.contains(&function.id) {
                self.enter(&function, None);
            }
        }
        if self.steps > MAX_STEPS {
            let fact = format!("runs more {} than can be followed", self.language.name());
            self.walker.not_understood(&self.head(), &fact);
        }
    }

    /// The beginning of the code, to show.
    pub(super) fn head(&self) -> String {
        self.code.chars().take(200).collect()
    }

    /// The words of a call, to show.
    pub(super) fn span(&self, at: (usize, usize)) -> String {
        let text = self.code.get(at.0..at.1).unwrap_or_default();
        if text.is_empty() { self.head() } else { text.chars().take(200).collect() }
    }

    fn block(&mut self, steps: &[Step]) {
        for step in steps {
            if self.steps > MAX_STEPS {
                return;
            }
            self.step(step);
        }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Eval(tree) => {
                self.value(tree);
            }
            Step::Bind(target, tree) => {
                let value = self.value(tree);
                self.bind(target, value);
            }
            Step::Grow(target, old, more) => {
                let (old, more) = (self.value(old), self.value(more));
                let whole = added(&old, &more);
                self.bind(target, whole);
            }
            Step::Define(function) => {
                self.define(function);
                self.set(&function.name, Value::Function(Rc::clone(function)));
            }
            Step::Class(name, body) => {
                self.scopes.push(Scope::new());
                self.block(body);
                let inside = self.scopes.pop().unwrap_or_default();
                for (member, value) in inside {
                    self.set_member(&member, value);
                }
                self.set(name, Value::Library(format!("{name}.")));
            }
            Step::Branch(ways) => {
                self.steps += self.scopes.iter().map(Scope::len).sum::<usize>() / 2;
                let before = self.scopes.clone();
                let mut after: Option<Vec<Scope>> = None;
                for way in ways {
                    self.scopes.clone_from(&before);
                    self.block(way);
                    let now = std::mem::take(&mut self.scopes);
                    after = Some(match after {
                        None => now,
                        Some(all) => both(all, now),
                    });
                }
                self.scopes = after.unwrap_or(before);
            }
            Step::Loop(over, body) => self.repeat(over.as_ref(), body),
            Step::Return(tree) => {
                let value = self.value(tree);
                if let Some(slot) = self.returns.last_mut() {
                    let before = slot.take();
                    *slot = Some(before.map_or(value.clone(), |before| before.or(value)));
                }
            }
            Step::Unclear(why) => self.walker.not_understood(&self.head(), why),
        }
    }

    fn repeat(&mut self, over: Option<&(Target, Tree)>, body: &[Step]) {
        let Some((target, over)) = over else {
            self.again(body);
            return;
        };
        let over = self.value(over);
        match self.values_of(&over) {
            Ok(values) => {
                for value in values {
                    self.bind(target, value);
                    self.block(body);
                }
            }
            Err(value) => {
                self.bind(target, value);
                self.again(body);
            }
        }
    }

    /// The values of a list one by one, or one that stands for them all.
    pub(super) fn values_of(&self, over: &Value) -> Result<Vec<Value>, Value> {
        match over.elements() {
            Ok(values) if values.len() <= MAX_VALUES && self.steps < FEW_STEPS => Ok(values),
            Ok(values) => {
                let one = values.into_iter().take(MAX_VALUES * 4).reduce(Value::or);
                Err(one.unwrap_or(Value::Unknown))
            }
            Err(value) => Err(*value),
        }
    }

    /// A body that runs any number of times: what it sets may be set when it begins.
    fn again(&mut self, body: &[Step]) {
        let before = self.scopes.clone();
        self.block(body);
        if self.scopes != before {
            let now = std::mem::take(&mut self.scopes);
            self.scopes = both(before, now);
            self.block(body);
        }
    }

    fn define(&mut self, function: &Rc<Function>) {
        if self.known.insert(function.id) {
            self.defined.push(Rc::clone(function));
        }
    }

    fn set(&mut self, name: &str, value: Value) {
        // What a function sets may be a variable outside it.
        let Some((inner, outer)) = self.scopes.split_last_mut() else { return };
        for before in outer.iter_mut().filter_map(|scope| scope.get_mut(name)) {
            let old = std::mem::replace(before, Value::Plain);
            *before = old.or(value.clone());
        }
        if let Some(before) = self.ended.get_mut(name) {
            let old = std::mem::replace(before, Value::Plain);
            *before = old.or(value.clone());
        }
        inner.insert(name.to_owned(), value);
    }

    fn set_member(&mut self, name: &str, value: Value) {
        let value = match self.members.remove(name) {
            Some(before) => before.or(value),
            None => value,
        };
        self.members.insert(name.to_owned(), value);
    }

    fn bind(&mut self, target: &Target, value: Value) {
        match target {
            Target::Name(name) => self.set(name, value),
            Target::List(targets) => {
                let whole = match &value {
                    Value::List(all) => all.len() == targets.len(),
                    _ => false,
                };
                for (at, target) in targets.iter().enumerate() {
                    let at = i64::try_from(at).unwrap_or(0);
                    let one = match &value {
                        Value::List(_) if whole => value.element(&Value::Number(at)),
                        Value::Choice(_) => value.element(&Value::Number(at)),
                        Value::Hidden => Value::Hidden,
                        Value::Many(one) => (**one).clone(),
                        _ => Value::Unknown,
                    };
                    self.bind(target, one);
                }
            }
            Target::Member(object, name) => {
                let object = self.value(object);
                self.assigned_member(&object, name, &value);
                self.set_member(name, value);
            }
            Target::Element(parts) => {
                self.value(parts);
                // Which list or object it goes into is not followed; the parts it has been made
                // of are.
                self.forget(parts);
            }
        }
    }

    /// A list that is changed holds what is not known.
    fn forget(&mut self, tree: &Tree) {
        let Tree::Mixed(parts) = tree else { return };
        let mut root = parts.first();
        while let Some(Tree::Member(inner, _) | Tree::Index(inner, _)) = root {
            root = Some(inner);
        }
        if let Some(Tree::Name(name)) = root
            && matches!(self.lookup(name), Some(Value::List(_) | Value::Map(_)))
        {
            self.set(name, Value::Unknown);
        }
    }

    /// What a variable is: that of the function that runs, else what any function or the code
    /// outside them all has under its name.
    pub(super) fn lookup(&self, name: &str) -> Option<Value> {
        let (inner, outer) = self.scopes.split_last()?;
        if let Some(value) = inner.get(name) {
            return Some(value.clone());
        }
        let found = outer.iter().chain([&self.ended]).filter_map(|scope| scope.get(name));
        found.cloned().reduce(Value::or)
    }

    /// The value of an expression. What is made of many values costs as much to carry about, and
    /// one that grows by itself (`a = [a, a]`) is data before long.
    pub(super) fn value(&mut self, tree: &Tree) -> Value {
        self.steps += 1;
        if self.steps > MAX_STEPS {
            return Value::Unknown;
        }
        let value = self.evaluated(tree);
        if let Value::Text(text) = &value {
            self.steps += text.len() / 128;
        }
        if !matches!(value, Value::List(_) | Value::Map(_) | Value::Choice(_) | Value::Many(_)) {
            return value;
        }
        let weight = value.weight();
        self.steps += weight / 8;
        match weight > MAX_WEIGHT {
            true if value.is_hidden() => Value::Hidden,
            true => Value::Unknown,
            false => value,
        }
    }

    fn evaluated(&mut self, tree: &Tree) -> Value {
        match tree {
            Tree::Plain => Value::Plain,
            Tree::Number(number) => Value::Number(*number),
            Tree::Text(text) => Value::Text(text.clone()),
            Tree::Name(name) => match self.lookup(name) {
                Some(value) => value,
                None => self.brought(name),
            },
            Tree::Member(object, name) => {
                let object = self.value(object);
                self.member(&object, name)
            }
            Tree::Index(whole, index) => {
                let (whole, index) = (self.value(whole), self.value(index));
                self.indexed(&whole, &index)
            }
            Tree::Slice(whole, from, to) => {
                let whole = self.value(whole);
                whole.slice(*from, *to)
            }
            Tree::Reversed(whole) => {
                let whole = self.value(whole);
                whole.reversed()
            }
            Tree::Call(call) => self.call(call),
            Tree::List(all) => Value::List(all.iter().map(|one| self.value(one)).collect()),
            Tree::Spread(parts) => self.spread(parts),
            Tree::Map(entries) => {
                let mut map = std::collections::BTreeMap::new();
                for (key, value) in entries {
                    let key = key.as_ref().map(|key| self.value(key));
                    let value = self.value(value);
                    match key.as_ref().and_then(Value::known) {
                        Some(key) => {
                            map.insert(key.to_owned(), value);
                        }
                        None => match value {
                            Value::Map(more) if key.is_none() => map.extend(more),
                            other => {
                                let before = map.remove("*");
                                let all = before.map_or(other.clone(), |before| before.or(other));
                                map.insert("*".to_owned(), all);
                            }
                        },
                    }
                }
                Value::Map(map)
            }
            Tree::Add(left, right) => {
                let (left, right) = (self.value(left), self.value(right));
                // JavaScript makes text of what is no number.
                match (&left, &right, self.language) {
                    (Value::List(_) | Value::Many(_), _, Language::JavaScript)
                    | (_, Value::List(_) | Value::Many(_), Language::JavaScript) => {
                        Value::glued(&[left, right])
                    }
                    _ => added(&left, &right),
                }
            }
            Tree::Divide(left, right) => {
                let (left, right) = (self.value(left), self.value(right));
                let path = left.choices().iter().chain(right.choices());
                if path.clone().any(|one| matches!(one, Value::Path(_))) {
                    Value::joined(&[left, right]).into_path()
                } else {
                    Value::Plain
                }
            }
            Tree::Glued(parts) => {
                let parts: Vec<Value> = parts.iter().map(|part| self.value(part)).collect();
                Value::glued(&parts)
            }
            Tree::Either(all) => {
                let all: Vec<Value> = all.iter().map(|one| self.value(one)).collect();
                all.into_iter().reduce(Value::or).unwrap_or(Value::Unknown)
            }
            Tree::Mixed(parts) => {
                let mut hidden = false;
                for part in parts {
                    hidden |= self.value(part).is_hidden();
                }
                if hidden { Value::Hidden } else { Value::Unknown }
            }
            Tree::Told(parts) => {
                for part in parts {
                    self.value(part);
                }
                Value::Plain
            }
            Tree::After(first, last) => {
                for one in first {
                    self.value(one);
                }
                self.value(last)
            }
            Tree::Function(function) => {
                self.define(function);
                Value::Function(Rc::clone(function))
            }
            Tree::Each(element, generators) => self.each(element, generators),
            Tree::Assign(target, tree) => {
                let value = self.value(tree);
                self.bind(target, value.clone());
                value
            }
            Tree::Module(name) => self.module(name),
        }
    }

    fn each(&mut self, element: &Tree, generators: &[(Target, Tree)]) -> Value {
        let Some(((target, over), rest)) = generators.split_first() else {
            return Value::List(vec![self.value(element)]);
        };
        let over = self.value(over);
        let listed = |this: &mut Self, value: Value| {
            this.bind(target, value);
            this.each(element, rest)
        };
        match self.values_of(&over) {
            Ok(values) => {
                let mut all = Vec::new();
                for value in values {
                    match listed(self, value) {
                        Value::List(more) => all.extend(more),
                        other => all.push(other),
                    }
                }
                Value::List(all)
            }
            Err(value) => match listed(self, value) {
                Value::List(all) => {
                    let one = all.into_iter().reduce(Value::or).unwrap_or(Value::Unknown);
                    Value::Many(Box::new(one))
                }
                other => other,
            },
        }
    }

    fn call(&mut self, call: &Call) -> Value {
        let span = self.span(call.at);
        let (object, method) = match &call.callee {
            Tree::Member(object, method) => (self.value(object), method.clone()),
            Tree::Index(object, index) if self.language == Language::JavaScript => {
                let (object, index) = (self.value(object), self.value(index));
                match index.known() {
                    Some(method) => (object, method.to_owned()),
                    None => {
                        let given = self.given(&call.args);
                        return self.call_element(&object, &index, &given, &span);
                    }
                }
            }
            callee => {
                let callee = self.value(callee);
                let given = self.given(&call.args);
                return self.apply(&callee, None, &given, &span);
            }
        };
        let method = method.as_str();
        let given = self.given(&call.args);
        // A list that grows under its name keeps what it holds.
        if let Tree::Member(place, _) = &call.callee
            && let Some(grown) = grown(&object, method, &given)
        {
            match &**place {
                Tree::Name(name) => {
                    self.set(name, grown);
                    return Value::Plain;
                }
                Tree::Member(_, name) if self.language == Language::JavaScript => {
                    self.set_member(name, grown);
                    return Value::Plain;
                }
                _ => {}
            }
        }
        let each = object.choices().to_vec();
        let mut result: Option<Value> = None;
        for object in each {
            let one = self.method(&object, method, &given, &span);
            result = Some(result.map_or(one.clone(), |before| before.or(one)));
        }
        result.unwrap_or(Value::Unknown)
    }

    fn given(&mut self, args: &[Argument]) -> Given {
        let mut given = Given::default();
        for one in args {
            let value = self.value(&one.value);
            match (&one.name, one.spread, value) {
                (Some(name), _, value) => given.named.push((name.clone(), value)),
                (None, true, Value::List(all)) => given.placed.extend(all),
                (None, true, Value::Map(all)) => given.named.extend(all),
                (None, true, _) => given.more = true,
                (None, false, value) => given.placed.push(value),
            }
        }
        given
    }

    /// Calls a value.
    pub(super) fn apply(
        &mut self,
        callee: &Value,
        object: Option<&Value>,
        given: &Given,
        span: &str,
    ) -> Value {
        match callee {
            Value::Function(function) => self.enter(function, Some(given)),
            Value::Library(name) if name.ends_with('.') => {
                // A class of the code itself.
                for constructor in ["__init__", "constructor"] {
                    let Some(found) = self.members.get(constructor).cloned() else { continue };
                    let mut inner = given.clone();
                    if constructor == "__init__" {
                        inner.placed.insert(0, Value::Unknown);
                    }
                    for one in found.choices() {
                        if let Value::Function(function) = one {
                            self.enter(function, Some(&inner));
                        }
                    }
                }
                self.callbacks(given, span);
                Value::Unknown
            }
            Value::Library(name) => self.library_call(name, object, given, span),
            Value::Choice(all) => {
                let each: Vec<Value> =
                    all.iter().map(|one| self.apply(one, object, given, span)).collect();
                each.into_iter().reduce(Value::or).unwrap_or(Value::Unknown)
            }
            Value::Unbound(name) => {
                if !self.any_name {
                    let fact =
                        format!("calls `{name}`, which the code neither defines nor brings in");
                    self.walker.add(Kind::Open, "code-call", span, &fact);
                }
                self.unlisted(given, "", span)
            }
            Value::Hidden => {
                self.walker.not_understood(span, "calls what it hides");
                Value::Hidden
            }
            Value::Unknown
            | Value::Plain
            | Value::Number(_)
            | Value::Text(_)
            | Value::Path(_)
            | Value::Content(_)
            | Value::List(_)
            | Value::Many(_)
            | Value::Map(_) => self.unlisted(given, "", span),
        }
    }

    /// Functions that are handed over are called with what nobody knows.
    pub(super) fn callbacks(&mut self, given: &Given, span: &str) {
        let all = given.placed.iter().chain(given.named.iter().map(|(_, value)| value));
        let all: Vec<Value> = all.flat_map(|value| value.choices().to_vec()).collect();
        for value in all {
            match value {
                Value::Function(function) => {
                    let known = self.called.contains(&function.id);
                    self.enter(&function, None);
                    // It may be called later, when its variables are others: it is followed once
                    // more at the end.
                    if !known && self.language == Language::JavaScript {
                        self.called.remove(&function.id);
                    }
                }
                Value::Library(name) => self.handed_function(&name, span),
                _ => {}
            }
        }
    }

    /// Follows a function of the code with these arguments, or with any.
    pub(super) fn enter(&mut self, function: &Rc<Function>, given: Option<&Given>) -> Value {
        self.called.insert(function.id);
        if self.running.contains(&function.id) || self.running.len() >= MAX_CALLS {
            return Value::Unknown;
        }
        // Beyond some length each function is followed once, with any arguments.
        let given = given.filter(|_| self.steps < FEW_STEPS);
        let mut scope = Scope::new();
        let mut defaults = Vec::new();
        for (at, parameter) in function.parameters.iter().enumerate() {
            let named = given.and_then(|given| given.name(&parameter.name));
            let placed = given.and_then(|given| given.placed.get(at).cloned());
            let value = match (given, named.or(placed), &parameter.default) {
                (Some(given), _, _) if parameter.rest => {
                    Value::List(given.placed.iter().skip(at).cloned().collect())
                }
                (_, Some(value), _) => value,
                (Some(given), None, Some(default)) if !given.more => {
                    let value = self.value(default);
                    self.bind_into(&mut scope, &parameter.target, value);
                    continue;
                }
                (_, None, default) => {
                    if let Some(default) = default {
                        defaults.push(default);
                    }
                    Value::Unknown
                }
            };
            self.bind_into(&mut scope, &parameter.target, value);
        }
        for default in defaults {
            self.value(default);
        }
        self.running.push(function.id);
        self.scopes.push(scope);
        self.returns.push(None);
        self.block(&function.body);
        let value = self.returns.pop().flatten().unwrap_or(Value::Plain);
        let scope = self.scopes.pop().unwrap_or_default();
        if self.language == Language::JavaScript {
            for (name, value) in scope.into_iter().filter(|(name, _)| name.contains('#')) {
                let value = match self.ended.remove(&name) {
                    Some(before) => before.or(value),
                    None => value,
                };
                self.ended.insert(name, value);
            }
        }
        self.running.pop();
        value
    }

    /// A list made of elements and of other lists.
    fn spread(&mut self, parts: &[(bool, Tree)]) -> Value {
        let mut all = Vec::new();
        let mut any = false;
        for (spread, part) in parts {
            match (spread, self.value(part)) {
                (false, value) => all.push(value),
                (true, Value::List(more)) => all.extend(more),
                (true, other) => {
                    any = true;
                    all.extend(match other.elements() {
                        Ok(several) => several,
                        Err(one) => vec![*one],
                    });
                }
            }
        }
        if !any {
            return Value::List(all);
        }
        Value::Many(Box::new(all.into_iter().reduce(Value::or).unwrap_or(Value::Unknown)))
    }

    /// A call of an element whose name is not known: one of the code's own, or any at all.
    fn call_element(&mut self, object: &Value, index: &Value, given: &Given, span: &str) -> Value {
        let callee = self.indexed(object, index);
        let by_place = matches!(index, Value::Number(_) | Value::Plain);
        if callee == Value::Unknown && !by_place {
            let fact = "calls a function by a name that is not known before it runs";
            self.walker.add(Kind::Open, "code-call", span, fact);
        }
        self.apply(&callee, None, given, span)
    }

    fn bind_into(&mut self, scope: &mut Scope, target: &Target, value: Value) {
        self.scopes.push(std::mem::take(scope));
        // Only into this scope: a parameter hides the variable outside.
        match target {
            Target::Name(name) => {
                if let Some(top) = self.scopes.last_mut() {
                    top.insert(name.clone(), value);
                }
            }
            other => self.bind(other, value),
        }
        *scope = self.scopes.pop().unwrap_or_default();
    }

    /// An attribute as the code itself set it.
    pub(super) fn own_member(&self, name: &str) -> Option<Value> {
        self.members.get(name).cloned()
    }
}

/// Both of two ways on: a variable may be what either set.
fn both(one: Vec<Scope>, other: Vec<Scope>) -> Vec<Scope> {
    let mut all = one;
    for (scope, more) in all.iter_mut().zip(other) {
        for (name, value) in more {
            match scope.remove(&name) {
                Some(before) => scope.insert(name, before.or(value)),
                None => scope.insert(name, value),
            };
        }
    }
    all
}

/// `a + b` of texts, lists and numbers.
fn added(left: &Value, right: &Value) -> Value {
    match (left, right) {
        (Value::Number(a), Value::Number(b)) => {
            a.checked_add(*b).map_or(Value::Plain, Value::Number)
        }
        (Value::List(a), Value::List(b)) => Value::List(a.iter().chain(b).cloned().collect()),
        (Value::List(a), Value::Many(b)) => {
            Value::Many(Box::new(a.iter().cloned().fold((**b).clone(), Value::or)))
        }
        (Value::Many(a), Value::List(b)) => {
            Value::Many(Box::new(b.iter().cloned().fold((**a).clone(), Value::or)))
        }
        (Value::Many(a), Value::Many(b)) => Value::Many(Box::new((**a).clone().or((**b).clone()))),
        (Value::Plain | Value::Number(_), Value::Plain | Value::Number(_)) => Value::Plain,
        (Value::List(all), Value::Unknown) | (Value::Unknown, Value::List(all)) => {
            Value::Many(Box::new(all.iter().cloned().fold(Value::Unknown, Value::or)))
        }
        (left, right) => Value::glued(&[left.clone(), right.clone()]),
    }
}

/// A list after a call that makes it longer.
fn grown(object: &Value, method: &str, given: &Given) -> Option<Value> {
    let Value::List(all) = object else { return None };
    let mut all = all.clone();
    match method {
        "append" | "push" | "add" => all.extend(given.placed.iter().cloned()),
        "extend" => match given.placed.first() {
            Some(Value::List(more)) => all.extend(more.iter().cloned()),
            _ => return Some(Value::Unknown),
        },
        "insert" | "unshift" => return Some(Value::Unknown),
        _ => return None,
    }
    // A list that a loop fills stands for any number of its elements.
    if all.len() > 200 {
        let one = all.into_iter().reduce(Value::or).unwrap_or(Value::Unknown);
        return Some(Value::Many(Box::new(one)));
    }
    Some(Value::List(all))
}
