//! Walks an action's syntax tree and gathers facts about every program wherever it hides.

use std::collections::BTreeSet;
use std::collections::HashMap;
use std::collections::HashSet;
use std::ops::Deref;
use std::ops::DerefMut;
use std::rc::Rc;

use brush_parser::ast;
use gatepost_domain::action::Action;

use crate::facts::Access;
use crate::facts::ActionFacts;
use crate::facts::Context;
use crate::facts::Finding;
use crate::facts::Kind;
use crate::facts::PathUse;
use crate::facts::Program;
use crate::paths;
use crate::paths::ATOM;
use crate::paths::PathClass;
use crate::paths::SEPARATOR;
use crate::paths::UNKNOWN;
use crate::shell;
use crate::word;
use crate::written::Content;
use crate::written::Language;

/// How deep text inside text is followed: `sh -c`, substitutions, functions.
const MAX_DEPTH: usize = 12;
/// How many simple commands one action may come to.
const MAX_COMMANDS: usize = 1000;
/// How many values of a loop are followed one by one.
const MAX_LOOP: usize = 24;

/// What a program finds on its standard input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stdin {
    /// What the whole action was given: nothing.
    Inherited,
    /// This text.
    Text(String),
    /// The output of another program.
    Pipe,
    /// The content of a file.
    File(String),
}

/// What is put aside often and seldom changed: a copy costs nothing until one of the two changes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shared<T>(Rc<T>);

impl<T> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Clone> DerefMut for Shared<T> {
    fn deref_mut(&mut self) -> &mut T {
        Rc::make_mut(&mut self.0)
    }
}

impl<T: PartialEq> PartialEq for Shared<T> {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0) || self.0 == other.0
    }
}

pub(crate) struct Walker<'a> {
    pub(crate) context: &'a Context,
    pub(crate) facts: ActionFacts,
    pub(crate) vars: Shared<HashMap<String, String>>,
    pub(crate) positional: Option<Vec<String>>,
    /// `None` when an earlier `cd` went somewhere unknown.
    pub(crate) cwd: Option<String>,
    functions: Shared<HashMap<String, Rc<ast::FunctionBody>>>,
    /// The facts that are recorded already.
    seen: HashSet<Finding>,
    /// How much text words have come to.
    pub(crate) expanded: usize,
    called: BTreeSet<String>,
    running: Vec<String>,
    /// The files whose content is being judged.
    pub(crate) running_files: Vec<String>,
    /// What stands in the file that a command's output is added to.
    head: Option<String>,
    /// What the variables were that each running function has made its own.
    locals: Vec<Vec<(String, Option<String>)>>,
    depth: usize,
    commands: usize,
    pub(crate) program: Option<usize>,
    /// Whether a virtual environment of the workspace or the system was entered, so that a program
    /// nobody knows is one that the project installed there.
    pub(crate) activated: bool,
    /// Whether a runner of the project's environment starts the program.
    pub(crate) in_project: bool,
}

/// Finds out what an action does.
pub(crate) fn facts_of(action: &Action, context: &Context) -> ActionFacts {
    let mut walker = Walker::new(context);
    match action {
        Action::Exec(exec) => {
            walker.cwd = paths::resolve(&exec.cwd, Some(&context.workspace), &context.home);
            for (name, value) in &exec.env {
                let span = format!("{name}={value}");
                walker.assigned(name, value, &span);
                walker.vars.insert(name.clone(), value.clone());
            }
            // Running in another directory makes every relative path mean another file.
            if let Some(cwd) = walker.cwd.clone() {
                walker.touch(&cwd, Access::Read, &exec.cwd);
            }
            walker.text(&exec.command);
            walker.uncalled();
        }
        Action::Read { path } => walker.named(path, Access::Read),
        Action::Write { path, content } => {
            walker.named(path, Access::Write);
            walker.will_run(path, content);
            walker.wrote(path, Content::of(content));
        }
        Action::Edit { path, content, replaces } => {
            let before = walker.content(path);
            walker.named(path, Access::Write);
            let after = match (before, replaces) {
                (Some(Content::Text(text)), Some(piece)) if text.contains(piece.as_str()) => {
                    let whole = text.replacen(piece.as_str(), content, 1);
                    walker.will_run(path, &whole);
                    Content::of(&whole)
                }
                (_, _) => {
                    walker.will_run(path, content);
                    Content::Changed
                }
            };
            walker.wrote(path, after);
        }
        Action::Fetch { url } => walker.network(url, url, false),
        Action::Python { command } => {
            crate::inline::judge(&mut walker, Language::Python, command);
        }
        Action::Tool { name, .. } => {
            walker.add(Kind::Open, "tool", name, "calls a tool whose effect is not known");
        }
        // Gatepost asks people for it by itself; there is no rule and no mode that grants it.
        Action::Raise(raise) => {
            walker.add(Kind::Hard, "budget", raise.of.words(), "asks for a larger budget");
        }
    }
    leaking(&mut walker);
    walker.facts
}

/// Keys of this machine that are read by the same action that sends data away: nobody clears that.
/// Keys inside the workspace may be meant for just this (a deployment), so there a person decides.
pub(crate) fn leaking(walker: &mut Walker<'_>) {
    let sends = walker.facts.findings.iter().find(|finding| finding.rule == "network-send");
    let key = walker.facts.paths.iter().find(|used| {
        used.class == PathClass::Secret
            && used.access == Access::Read
            && !paths::below(&used.path, &walker.context.workspace)
    });
    if let (Some(sends), Some(key)) = (sends, key) {
        let (span, fact) = (sends.span.clone(), format!("reads `{}` and {}", key.path, sends.fact));
        walker.add(Kind::Hard, "leak", &span, &fact);
    }
}

impl<'a> Walker<'a> {
    pub(crate) fn new(context: &'a Context) -> Self {
        Self {
            context,
            facts: ActionFacts::default(),
            vars: Shared::default(),
            positional: None,
            cwd: Some(context.cwd.clone()),
            functions: Shared::default(),
            seen: HashSet::new(),
            expanded: 0,
            called: BTreeSet::new(),
            running: Vec::new(),
            running_files: Vec::new(),
            head: None,
            locals: Vec::new(),
            depth: 0,
            commands: 0,
            program: None,
            activated: false,
            in_project: false,
        }
    }

    /// Records one fact.
    pub(crate) fn add(&mut self, kind: Kind, rule: &str, span: &str, fact: &str) {
        let span: String = shown(span).chars().take(300).collect();
        if self.facts.findings.len() > 400 && kind <= self.facts.kind() {
            return;
        }
        let finding = Finding {
            kind,
            rule: rule.to_owned(),
            span,
            fact: fact.to_owned(),
            program: self.program,
        };
        if self.seen.insert(finding.clone()) {
            self.facts.findings.push(finding);
        }
    }

    pub(crate) fn not_understood(&mut self, span: &str, fact: &str) {
        self.add(Kind::NotUnderstood, "not-understood", span, fact);
    }

    /// Walks shell text that runs in this very shell.
    pub(crate) fn text(&mut self, text: &str) {
        if self.depth >= MAX_DEPTH || self.commands > MAX_COMMANDS {
            self.not_understood(text, "nests scripts in scripts too deeply, or holds too many");
            return;
        }
        if text.contains([ATOM, SEPARATOR, '\0']) {
            self.not_understood(
                text,
                "holds control characters, which a shell and a screen may read in different ways",
            );
            return;
        }
        match shell::parse(text) {
            Ok(program) => {
                self.depth += 1;
                for list in &program.complete_commands {
                    self.list(list, &Stdin::Inherited);
                }
                self.depth -= 1;
            }
            Err(error) => self.not_understood(text, &format!("cannot be judged: {error}")),
        }
    }

    /// Walks shell text that runs in a shell of its own: nothing it sets comes back.
    pub(crate) fn child(&mut self, text: &str, positional: Option<Vec<String>>) {
        if text.contains(UNKNOWN) {
            self.not_understood(text, "gives a shell text that is not known before it runs");
            return;
        }
        let before =
            (self.vars.clone(), self.cwd.clone(), self.functions.clone(), self.positional.clone());
        self.positional = positional;
        self.text(text);
        (self.vars, self.cwd, self.functions, self.positional) = before;
    }

    /// A command substitution: walks it and says what it prints, as far as that is known.
    pub(crate) fn substitution(&mut self, text: &str) -> String {
        if self.depth >= MAX_DEPTH || self.commands > MAX_COMMANDS {
            self.not_understood(text, "nests substitutions too deeply, or holds too many");
            return UNKNOWN.to_string();
        }
        let program = match shell::parse(text) {
            Ok(program) => program,
            Err(error) => {
                self.not_understood(text, &format!("cannot be judged: {error}"));
                return UNKNOWN.to_string();
            }
        };
        let before = (self.vars.clone(), self.cwd.clone(), self.functions.clone(), self.program);
        self.depth += 1;
        let mut output = None;
        let mut pieces = 0;
        for list in &program.complete_commands {
            pieces += list.0.len();
            output = self.list(list, &Stdin::Inherited);
        }
        self.depth -= 1;
        (self.vars, self.cwd, self.functions, self.program) = before;
        match output {
            Some(output) if pieces == 1 => output.trim_end_matches('\n').to_owned(),
            Some(_) | None => UNKNOWN.to_string(),
        }
    }

    fn list(&mut self, list: &ast::CompoundList, stdin: &Stdin) -> Option<String> {
        let mut output = None;
        for item in &list.0 {
            output = self.pipeline(&item.0.first, stdin);
            for more in &item.0.additional {
                let (ast::AndOr::And(pipeline) | ast::AndOr::Or(pipeline)) = more;
                self.pipeline(pipeline, stdin);
                output = None;
            }
        }
        if list.0.len() == 1 { output } else { None }
    }

    fn pipeline(&mut self, pipeline: &ast::Pipeline, stdin: &Stdin) -> Option<String> {
        let many = pipeline.seq.len() > 1;
        let mut input = stdin.clone();
        let mut output = None;
        for command in &pipeline.seq {
            let before =
                many.then(|| (self.vars.clone(), self.cwd.clone(), self.positional.clone()));
            output = self.command(command, &input);
            if let Some(before) = before {
                (self.vars, self.cwd, self.positional) = before;
            }
            input = match &output {
                Some(text) => Stdin::Text(text.clone()),
                None => Stdin::Pipe,
            };
        }
        output
    }

    fn command(&mut self, command: &ast::Command, stdin: &Stdin) -> Option<String> {
        match command {
            ast::Command::Simple(simple) => self.simple(simple, stdin),
            ast::Command::Compound(compound, redirects) => {
                let input = self.redirects(redirects.as_ref(), stdin);
                self.compound(compound, &input);
                None
            }
            ast::Command::Function(function) => {
                self.functions.insert(function.fname.value.clone(), Rc::new(function.body.clone()));
                self.called.remove(&function.fname.value);
                None
            }
            ast::Command::ExtendedTest(test, redirects) => {
                let _ = self.redirects(redirects.as_ref(), stdin);
                self.test(&test.expr);
                None
            }
        }
    }

    fn compound(&mut self, compound: &ast::CompoundCommand, stdin: &Stdin) {
        match compound {
            ast::CompoundCommand::Arithmetic(arithmetic) => self.arithmetic(&arithmetic.expr.value),
            ast::CompoundCommand::ArithmeticForClause(clause) => {
                for part in
                    [&clause.initializer, &clause.condition, &clause.updater].into_iter().flatten()
                {
                    self.arithmetic(&part.value);
                }
                if let Some(init) = &clause.initializer
                    && let Some((name, _)) = init.value.split_once('=')
                {
                    self.vars.insert(name.trim().to_owned(), ATOM.to_string());
                }
                self.list(&clause.body.list, stdin);
            }
            ast::CompoundCommand::BraceGroup(group) => {
                self.list(&group.list, stdin);
            }
            ast::CompoundCommand::Subshell(subshell) => {
                let before = (
                    self.vars.clone(),
                    self.cwd.clone(),
                    self.functions.clone(),
                    self.positional.clone(),
                );
                self.list(&subshell.list, stdin);
                (self.vars, self.cwd, self.functions, self.positional) = before;
            }
            ast::CompoundCommand::ForClause(clause) => self.for_loop(clause, stdin),
            ast::CompoundCommand::CaseClause(clause) => {
                self.single(&clause.value.value);
                for case in &clause.cases {
                    for pattern in &case.patterns {
                        self.single(&pattern.value);
                    }
                    if let Some(list) = &case.cmd {
                        self.list(list, stdin);
                    }
                }
            }
            ast::CompoundCommand::IfClause(clause) => {
                self.list(&clause.condition, stdin);
                let before = self.vars.clone();
                let arguments = self.positional.clone();
                self.list(&clause.then, stdin);
                let mut merged = self.vars.clone();
                for other in clause.elses.iter().flatten() {
                    self.vars = before.clone();
                    if let Some(condition) = &other.condition {
                        self.list(condition, stdin);
                    }
                    self.list(&other.body, stdin);
                    differ(&mut merged, &self.vars);
                }
                differ(&mut merged, &before);
                self.vars = merged;
                if self.positional != arguments {
                    self.positional = None;
                }
            }
            ast::CompoundCommand::WhileClause(clause)
            | ast::CompoundCommand::UntilClause(clause) => {
                self.list(&clause.0, stdin);
                // What the body sets is set when it runs again.
                let before = self.vars.clone();
                let arguments = self.positional.clone();
                self.list(&clause.1.list, stdin);
                let mut merged = self.vars.clone();
                if merged != before || self.positional != arguments {
                    differ(&mut merged, &before);
                    self.vars = merged;
                    if self.positional != arguments {
                        self.positional = None;
                    }
                    self.list(&clause.1.list, stdin);
                }
            }
            ast::CompoundCommand::Coprocess(coprocess) => {
                self.command(&coprocess.body, &Stdin::Pipe);
            }
        }
    }

    fn for_loop(&mut self, clause: &ast::ForClauseCommand, stdin: &Stdin) {
        let mut values = Vec::new();
        match &clause.values {
            Some(words) => {
                for word in words {
                    values.extend(self.fields(&word.value));
                }
            }
            None => values.push(UNKNOWN.to_string()),
        }
        if values.len() > MAX_LOOP || self.commands > MAX_COMMANDS / 4 {
            // Too many to follow one by one: every value must be harmless in itself to stay known.
            let plain = values
                .iter()
                .all(|v| !v.contains(['/', UNKNOWN]) && !v.starts_with(['-', '.', '~']));
            values = vec![if plain { ATOM.to_string() } else { UNKNOWN.to_string() }];
        }
        for value in values {
            self.assigned(&clause.variable_name, &value, &clause.variable_name);
            self.vars.insert(clause.variable_name.clone(), value);
            self.list(&clause.body.list, stdin);
        }
    }

    fn test(&mut self, expr: &ast::ExtendedTestExpr) {
        match expr {
            ast::ExtendedTestExpr::And(a, b) | ast::ExtendedTestExpr::Or(a, b) => {
                self.test(a);
                self.test(b);
            }
            ast::ExtendedTestExpr::Not(inner) | ast::ExtendedTestExpr::Parenthesized(inner) => {
                self.test(inner)
            }
            ast::ExtendedTestExpr::UnaryTest(_, word) => {
                self.single(&word.value);
            }
            ast::ExtendedTestExpr::BinaryTest(_, a, b) => {
                self.single(&a.value);
                self.single(&b.value);
            }
        }
    }

    fn simple(&mut self, simple: &ast::SimpleCommand, stdin: &Stdin) -> Option<String> {
        self.commands += 1;
        if self.commands > MAX_COMMANDS {
            self.not_understood("", "comes to too many commands to judge");
            return None;
        }
        let span = simple.to_string();
        let mut assigns: Vec<(String, String)> = Vec::new();
        let mut argv: Vec<String> = Vec::new();
        let mut input = stdin.clone();
        for item in simple.prefix.iter().flat_map(|prefix| &prefix.0) {
            match item {
                ast::CommandPrefixOrSuffixItem::AssignmentWord(assignment, _) => {
                    assigns.push(self.assignment(assignment))
                }
                ast::CommandPrefixOrSuffixItem::IoRedirect(redirect) => {
                    input = self.redirect(redirect, input)
                }
                ast::CommandPrefixOrSuffixItem::Word(word) => argv.extend(self.fields(&word.value)),
                ast::CommandPrefixOrSuffixItem::ProcessSubstitution(_, subshell) => {
                    argv.push(self.process_substitution(subshell))
                }
            }
        }
        if let Some(word) = &simple.word_or_name {
            argv.extend(self.fields(&word.value));
        }
        for item in simple.suffix.iter().flat_map(|suffix| &suffix.0) {
            match item {
                ast::CommandPrefixOrSuffixItem::Word(word) => argv.extend(self.fields(&word.value)),
                ast::CommandPrefixOrSuffixItem::AssignmentWord(assignment, word) => {
                    // `export A=b` does not split; `dd if=x` and `make A=b` hardly ever would.
                    let value = match &assignment.value {
                        ast::AssignmentValue::Scalar(_) => self.single(&word.value),
                        ast::AssignmentValue::Array(_) => {
                            let (name, value) = self.assignment(assignment);
                            format!("{name}={value}")
                        }
                    };
                    argv.push(value);
                }
                ast::CommandPrefixOrSuffixItem::IoRedirect(redirect) => {
                    input = self.redirect(redirect, input)
                }
                ast::CommandPrefixOrSuffixItem::ProcessSubstitution(_, subshell) => {
                    argv.push(self.process_substitution(subshell))
                }
            }
        }
        for (name, value) in &assigns {
            self.assigned(name, value, &span);
        }
        if argv.is_empty() {
            self.vars.extend(assigns);
            return None;
        }
        // What stands before a command holds while it runs: for functions and `eval` too.
        let before: Vec<(String, Option<String>)> =
            assigns.iter().map(|(name, _)| (name.clone(), self.vars.get(name).cloned())).collect();
        self.vars.extend(assigns);
        let held = self.appended(simple);
        let output = self.invoke(&argv, &input, &span);
        self.restore(before);
        // What a file holds is known where what it is written from is.
        if let (Some((target, head)), Some(text)) = (held, &output) {
            let line = if argv.first().is_some_and(|name| name == "echo") { "\n" } else { "" };
            self.wrote(&target, Content::of(&format!("{head}{text}{line}")));
        }
        output
    }

    /// The one file that the output of a command goes to, and what stands in it before that.
    fn appended(&mut self, simple: &ast::SimpleCommand) -> Option<(String, String)> {
        let prefix = simple.prefix.iter().flat_map(|prefix| &prefix.0);
        let all = prefix.chain(simple.suffix.iter().flat_map(|suffix| &suffix.0));
        let mut found = None;
        for item in all {
            let ast::CommandPrefixOrSuffixItem::IoRedirect(ast::IoRedirect::File(
                None | Some(1),
                kind,
                ast::IoFileRedirectTarget::Filename(word),
            )) = item
            else {
                continue;
            };
            let head = match kind {
                ast::IoFileRedirectKind::Write | ast::IoFileRedirectKind::Clobber => String::new(),
                ast::IoFileRedirectKind::Append => self.head.take()?,
                ast::IoFileRedirectKind::Read
                | ast::IoFileRedirectKind::ReadAndWrite
                | ast::IoFileRedirectKind::DuplicateInput
                | ast::IoFileRedirectKind::DuplicateOutput => continue,
            };
            found = Some((self.single(&word.value), head));
        }
        found
    }

    /// Judges one program with its words; says what it prints where that is known.
    pub(crate) fn invoke(&mut self, argv: &[String], stdin: &Stdin, span: &str) -> Option<String> {
        let name = argv.first()?;
        if name.contains([UNKNOWN, ATOM]) {
            self.not_understood(span, "runs a program whose name is not known before it runs");
            return None;
        }
        // No program has such a name: a variable held more than one word, or was split otherwise.
        if name.contains(|c: char| {
            c.is_whitespace() || c.is_control() || ",;|&<>(){}$`\"'\\^".contains(c)
        }) {
            self.not_understood(span, "runs a program by a name that is more than a name");
            return None;
        }
        if let Some(body) = self.functions.get(name).cloned() {
            return self.call(name, &body, argv, stdin, span);
        }
        self.commands += 1;
        if self.depth >= MAX_DEPTH || self.commands > MAX_COMMANDS {
            self.not_understood(span, "wraps commands in commands too deeply");
            return None;
        }
        let before = self.program;
        self.facts.programs.push(Program {
            argv: argv.iter().map(|word| shown(word)).collect(),
            span: span.chars().take(300).collect(),
        });
        self.program = Some(self.facts.programs.len() - 1);
        self.depth += 1;
        let output = crate::programs::judge(self, argv, stdin, span);
        self.depth -= 1;
        self.program = before;
        output
    }

    /// Judges text inside text, to a limit.
    pub(crate) fn deeper(&mut self, span: &str, judge: impl FnOnce(&mut Self)) {
        if self.depth >= MAX_DEPTH {
            self.not_understood(span, "nests code in code too deeply");
            return;
        }
        self.depth += 1;
        judge(self);
        self.depth -= 1;
    }

    /// Sets variables back to what they were.
    fn restore(&mut self, before: Vec<(String, Option<String>)>) {
        for (name, value) in before.into_iter().rev() {
            match value {
                Some(value) => self.vars.insert(name, value),
                None => self.vars.remove(&name),
            };
        }
    }

    /// A variable that a function keeps to itself.
    pub(crate) fn local(&mut self, name: &str) {
        let before = self.vars.get(name).cloned();
        if let Some(scope) = self.locals.last_mut() {
            scope.push((name.to_owned(), before));
        }
    }

    fn call(
        &mut self,
        name: &str,
        body: &ast::FunctionBody,
        argv: &[String],
        stdin: &Stdin,
        span: &str,
    ) -> Option<String> {
        if self.running.iter().any(|running| running == name) {
            self.add(
                Kind::Ask,
                "recursion",
                span,
                "defines a function that calls itself, which may never end",
            );
            return None;
        }
        if self.depth >= MAX_DEPTH {
            self.not_understood(span, "nests functions too deeply");
            return None;
        }
        self.called.insert(name.to_owned());
        self.running.push(name.to_owned());
        let positional = self.positional.replace(argv.iter().skip(1).cloned().collect());
        self.depth += 1;
        let input = self.redirects(body.1.as_ref(), stdin);
        self.locals.push(Vec::new());
        self.compound(&body.0, &input);
        let locals = self.locals.pop().unwrap_or_default();
        self.restore(locals);
        self.depth -= 1;
        self.positional = positional;
        self.running.pop();
        None
    }

    /// Functions that are only defined are judged too, with unknown arguments.
    fn uncalled(&mut self) {
        let mut left: Vec<(String, Rc<ast::FunctionBody>)> = self
            .functions
            .iter()
            .filter(|(name, _)| !self.called.contains(*name))
            .map(|(n, b)| (n.clone(), b.clone()))
            .collect();
        left.sort_by(|a, b| a.0.cmp(&b.0));
        for (name, body) in left {
            if self.called.contains(&name) {
                continue;
            }
            self.called.insert(name.clone());
            self.running.push(name);
            self.positional = None;
            self.compound(&body.0, &Stdin::Inherited);
            self.running.pop();
        }
    }

    fn process_substitution(&mut self, subshell: &ast::SubshellCommand) -> String {
        let before = (self.vars.clone(), self.cwd.clone());
        self.list(&subshell.list, &Stdin::Inherited);
        (self.vars, self.cwd) = before;
        "/dev/fd/63".to_owned()
    }

    fn assignment(&mut self, assignment: &ast::Assignment) -> (String, String) {
        let name = match &assignment.name {
            ast::AssignmentName::VariableName(name) => name.clone(),
            ast::AssignmentName::ArrayElementName(name, index) => {
                self.arithmetic(index);
                if index.contains("$(") || index.contains('`') {
                    self.not_understood(index, "runs a command inside an array index");
                }
                name.clone()
            }
        };
        let value = match &assignment.value {
            ast::AssignmentValue::Scalar(word) => self.single(&word.value),
            ast::AssignmentValue::Array(items) => {
                let mut all = Vec::new();
                for (key, item) in items {
                    if let Some(key) = key {
                        self.arithmetic(&key.value);
                    }
                    all.extend(self.fields(&item.value));
                }
                all.join(&SEPARATOR.to_string())
            }
        };
        let old = self.vars.get(&name).cloned().unwrap_or_default();
        let value = if matches!(assignment.name, ast::AssignmentName::ArrayElementName(..)) {
            // One element of many: what the array holds at which place is not followed.
            let plain = old.split(SEPARATOR).all(|old| old.is_empty() || word::is_plain(old))
                && word::is_plain(&value);
            if plain { ATOM.to_string() } else { UNKNOWN.to_string() }
        } else if assignment.append {
            let gap = match &assignment.value {
                ast::AssignmentValue::Array(_) if !old.is_empty() => SEPARATOR.to_string(),
                ast::AssignmentValue::Array(_) | ast::AssignmentValue::Scalar(_) => String::new(),
            };
            format!("{old}{gap}{value}")
        } else {
            value
        };
        (name, value)
    }

    fn redirects(&mut self, list: Option<&ast::RedirectList>, stdin: &Stdin) -> Stdin {
        let mut input = stdin.clone();
        for redirect in list.iter().flat_map(|list| &list.0) {
            input = self.redirect(redirect, input);
        }
        input
    }

    fn redirect(&mut self, redirect: &ast::IoRedirect, stdin: Stdin) -> Stdin {
        let span = redirect.to_string();
        match redirect {
            ast::IoRedirect::File(fd, kind, target) => {
                let path = match target {
                    ast::IoFileRedirectTarget::Filename(word) => self.single(&word.value),
                    ast::IoFileRedirectTarget::Fd(_) => return stdin,
                    ast::IoFileRedirectTarget::ProcessSubstitution(_, subshell) => {
                        self.process_substitution(subshell);
                        return match kind {
                            ast::IoFileRedirectKind::Read => Stdin::Pipe,
                            ast::IoFileRedirectKind::Write
                            | ast::IoFileRedirectKind::Append
                            | ast::IoFileRedirectKind::ReadAndWrite
                            | ast::IoFileRedirectKind::Clobber
                            | ast::IoFileRedirectKind::DuplicateInput
                            | ast::IoFileRedirectKind::DuplicateOutput => stdin,
                        };
                    }
                    ast::IoFileRedirectTarget::Duplicate(word) => {
                        let value = self.single(&word.value);
                        if value.chars().all(|c| c.is_ascii_digit() || c == '-' || c == ATOM) {
                            return stdin;
                        }
                        value
                    }
                };
                if path.starts_with("/dev/tcp/") || path.starts_with("/dev/udp/") {
                    let host = path.split('/').nth(3).unwrap_or_default().to_owned();
                    self.network(&host, &span, true);
                    return Stdin::Pipe;
                }
                match kind {
                    ast::IoFileRedirectKind::Read => {
                        self.touch(&path, Access::Read, &span);
                        if matches!(fd, None | Some(0)) { Stdin::File(path) } else { stdin }
                    }
                    ast::IoFileRedirectKind::DuplicateInput => Stdin::Pipe,
                    ast::IoFileRedirectKind::ReadAndWrite => {
                        self.touch(&path, Access::Read, &span);
                        self.touch(&path, Access::Write, &span);
                        stdin
                    }
                    ast::IoFileRedirectKind::Write
                    | ast::IoFileRedirectKind::Append
                    | ast::IoFileRedirectKind::Clobber
                    | ast::IoFileRedirectKind::DuplicateOutput => {
                        self.head = match self.content(&path) {
                            Some(Content::Text(text)) => Some(text.to_string()),
                            Some(Content::Changed) | None => None,
                        };
                        self.touch(&path, Access::Write, &span);
                        stdin
                    }
                }
            }
            ast::IoRedirect::HereDocument(_, document) => {
                Stdin::Text(if document.requires_expansion {
                    self.heredoc(&document.doc.value)
                } else {
                    document.doc.value.clone()
                })
            }
            ast::IoRedirect::HereString(_, word) => Stdin::Text(self.single(&word.value)),
            ast::IoRedirect::OutputAndError(word, _) => {
                let path = self.single(&word.value);
                self.touch(&path, Access::Write, &span);
                stdin
            }
        }
    }

    /// A path as a file tool names it; some tools pass a call or a command line instead.
    fn named(&mut self, path: &str, access: Access) {
        if path.contains([UNKNOWN, ATOM, SEPARATOR, '\0']) {
            self.not_understood(path, "names a path with characters that no path has");
            return;
        }
        let plain = !path.contains(['(', '"', '\'', '=', '\n']);
        if plain || access != Access::Read {
            self.touch(path, access, path);
            return;
        }
        self.add(Kind::Read, "read", path, "reads inside the workspace");
        for part in path.split(['"', '\'', '=', ' ', ',', '(', ')']) {
            if part.starts_with(['/', '~']) || part.contains("..") || part.contains('$') {
                self.touch(part, Access::Read, path);
            }
        }
    }

    /// Records one use of a path and what it means.
    pub(crate) fn touch(&mut self, path: &str, access: Access, span: &str) {
        let (class, full) = if path.is_empty() {
            (PathClass::Unknown, String::new())
        } else {
            match paths::resolve(path, self.cwd.as_deref(), &self.context.home) {
                Some(full) => (paths::class(&full, self.context), full),
                None => (PathClass::Unknown, path.to_owned()),
            }
        };
        self.used(&full, access, class);
        if matches!(access, Access::Write | Access::Delete) {
            self.wrote(path, Content::Changed);
        }
        crate::effects::path(self, &full, access, class, span);
    }

    /// Records that a path is used, and nothing of what that means.
    pub(crate) fn used(&mut self, full: &str, access: Access, class: PathClass) {
        self.facts.paths.push(PathUse { path: shown(full), access, class });
    }

    /// Records one use of the network.
    pub(crate) fn network(&mut self, address: &str, span: &str, sends: bool) {
        if crate::effects::is_misleading(address) {
            self.not_understood(span, "names an address that programs read in different ways");
        }
        let host = crate::effects::host(address);
        self.facts.hosts.push(shown(&host));
        let reachable = crate::effects::is_reachable(address, &self.context.hosts);
        if reachable && !sends {
            let fact = format!("fetches from `{}`, which the configuration allows", shown(&host));
            self.add(Kind::Contained, "network-allowed", span, &fact);
        } else if crate::effects::is_local(&host) && !reachable {
            self.add(
                Kind::Contained,
                "network-local",
                span,
                "talks to this machine only, which the sandbox contains",
            );
        } else if sends {
            self.add(Kind::Ask, "network-send", span, &format!("sends data to `{}`", shown(&host)));
        } else {
            self.add(Kind::Ask, "network", span, &format!("fetches from `{}`", shown(&host)));
        }
    }

    /// Judges what setting a variable does to the programs that run later.
    pub(crate) fn assigned(&mut self, name: &str, value: &str, span: &str) {
        crate::effects::assignment(self, name, value, span);
    }
}

/// Variables whose value is not the same on every way through are unknown afterwards.
fn differ(into: &mut Shared<HashMap<String, String>>, other: &Shared<HashMap<String, String>>) {
    if Rc::ptr_eq(&into.0, &other.0) {
        return;
    }
    for (name, value) in into.iter_mut() {
        if other.get(name) != Some(value) {
            *value = UNKNOWN.to_string();
        }
    }
}

/// Text for people: unknown parts stand as `?`.
pub(crate) fn shown(text: &str) -> String {
    text.replace([UNKNOWN, ATOM], "?").replace(SEPARATOR, " ")
}
