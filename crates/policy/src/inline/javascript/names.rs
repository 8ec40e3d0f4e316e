//! The scopes of JavaScript, and the patterns that take values apart into names.

use super::*;

impl Reader {
    /// What a name is called here, where a scope inside the outermost has it; empty for one whose
    /// value is not told.
    pub(super) fn resolved(&self, name: &str) -> Option<&str> {
        self.scopes.iter().rev().find_map(|scope| scope.get(name)).map(String::as_str)
    }

    /// Gives a name of the innermost scope a name of its own. The outermost scope keeps its names.
    pub(super) fn declare(&mut self, name: &str) {
        self.names += 1;
        let own = format!("{name}#{}", self.names);
        // `var x` beside a parameter `x` is that parameter.
        if let Some(scope) = self.scopes.last_mut()
            && scope.get(name).is_none_or(String::is_empty)
        {
            scope.insert(name.to_owned(), own);
        }
    }

    /// A name of the code's own function whose value is not told: itself.
    pub(super) fn declare_unknown(&mut self, name: &str) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.insert(name.to_owned(), String::new());
        }
    }

    /// A name for a value that is about to be taken apart.
    fn fresh(&mut self) -> String {
        self.names += 1;
        format!("#{}", self.names)
    }

    /// The names that a list of statements has for itself.
    pub(super) fn declare_all(&mut self, body: &[Statement<'_>]) {
        for statement in body {
            match statement {
                Statement::ExportDeclaration(export) => {
                    self.declare_of(&export.declaration);
                }
                other => {
                    if let Some(declaration) = other.as_declaration() {
                        self.declare_of(declaration);
                    }
                }
            }
        }
    }

    fn declare_of(&mut self, declaration: &Declaration<'_>) {
        match declaration {
            Declaration::VariableDeclaration(variables) if variables.kind.is_lexical() => {
                for variable in &variables.declarations {
                    self.declare_pattern(&variable.id);
                }
            }
            // Those of a whole function are declared where it begins.
            Declaration::VariableDeclaration(_) => {}
            other => {
                if let Some(name) = other.id() {
                    self.declare(&name.name);
                }
            }
        }
    }

    pub(super) fn declare_pattern(&mut self, pattern: &BindingPattern<'_>) {
        match pattern {
            BindingPattern::BindingIdentifier(name) => self.declare(&name.name),
            BindingPattern::AssignmentPattern(inner) => self.declare_pattern(&inner.left),
            BindingPattern::ObjectPattern(object) => {
                for property in &object.properties {
                    self.declare_pattern(&property.value);
                }
                if let Some(rest) = &object.rest {
                    self.declare_pattern(&rest.argument);
                }
            }
            BindingPattern::ArrayPattern(array) => {
                for element in array.elements.iter().flatten() {
                    self.declare_pattern(element);
                }
                if let Some(rest) = &array.rest {
                    self.declare_pattern(&rest.argument);
                }
            }
        }
    }

    /// The `var`s of a function, in whatever block they stand.
    pub(super) fn declare_vars(&mut self, body: &[Statement<'_>], depth: usize) {
        if depth > MAX_DEPTH {
            self.too_deep = true;
            return;
        }
        for statement in body {
            self.declare_vars_of(statement, depth + 1);
        }
    }

    fn declare_vars_of(&mut self, statement: &Statement<'_>, depth: usize) {
        if depth > MAX_DEPTH {
            self.too_deep = true;
            return;
        }
        match statement {
            Statement::VariableDeclaration(variables) => self.declare_var(variables),
            Statement::BlockStatement(block) => self.declare_vars(&block.body, depth),
            Statement::IfStatement(choice) => {
                self.declare_vars_of(&choice.consequent, depth + 1);
                if let Some(other) = &choice.alternate {
                    self.declare_vars_of(other, depth + 1);
                }
            }
            Statement::ForStatement(each) => {
                if let Some(ForStatementInit::VariableDeclaration(variables)) = &each.init {
                    self.declare_var(variables);
                }
                self.declare_vars_of(&each.body, depth + 1);
            }
            Statement::ForInStatement(each) => {
                if let ForStatementLeft::VariableDeclaration(variables) = &each.left {
                    self.declare_var(variables);
                }
                self.declare_vars_of(&each.body, depth + 1);
            }
            Statement::ForOfStatement(each) => {
                if let ForStatementLeft::VariableDeclaration(variables) = &each.left {
                    self.declare_var(variables);
                }
                self.declare_vars_of(&each.body, depth + 1);
            }
            Statement::WhileStatement(each) => self.declare_vars_of(&each.body, depth + 1),
            Statement::DoWhileStatement(each) => self.declare_vars_of(&each.body, depth + 1),
            Statement::LabeledStatement(inner) => self.declare_vars_of(&inner.body, depth + 1),
            Statement::SwitchStatement(switch) => {
                for case in &switch.cases {
                    self.declare_vars(&case.consequent, depth);
                }
            }
            Statement::TryStatement(attempt) => {
                self.declare_vars(&attempt.block.body, depth);
                if let Some(handler) = &attempt.handler {
                    self.declare_vars(&handler.body.body, depth);
                }
                if let Some(last) = &attempt.finalizer {
                    self.declare_vars(&last.body, depth);
                }
            }
            // The others hold no statement of the same function.
            _ => {}
        }
    }

    fn declare_var(&mut self, variables: &VariableDeclaration<'_>) {
        if variables.kind.is_var() {
            for variable in &variables.declarations {
                self.declare_pattern(&variable.id);
            }
        }
    }

    /// A name that a pattern binds, as it is called here.
    pub(super) fn bound(&self, name: &str) -> Target {
        match self.resolved(name) {
            Some(own) if !own.is_empty() => Target::Name(own.to_owned()),
            Some(_) | None => Target::Name(name.to_owned()),
        }
    }

    /// A pattern and its value, as assignments one after another.
    pub(super) fn pattern(
        &mut self,
        pattern: &BindingPattern<'_>,
        value: Tree,
        out: &mut Vec<Tree>,
    ) {
        match pattern {
            BindingPattern::BindingIdentifier(name) => {
                out.push(assign(self.bound(&name.name), value));
            }
            BindingPattern::AssignmentPattern(inner) => {
                let other = self.tree(&inner.right);
                self.pattern(&inner.left, Tree::Either(vec![value, other]), out);
            }
            BindingPattern::ObjectPattern(object) => {
                let whole = self.put_aside(value, out);
                for property in &object.properties {
                    let key = self.key(&property.key, property.computed);
                    let part = taken(&whole, key);
                    self.pattern(&property.value, part, out);
                }
                if let Some(rest) = &object.rest {
                    self.pattern(&rest.argument, Tree::Name(whole), out);
                }
            }
            BindingPattern::ArrayPattern(array) => {
                let whole = self.put_aside(value, out);
                for (place, element) in (0..).zip(&array.elements) {
                    if let Some(element) = element {
                        self.pattern(element, place_of(&whole, place), out);
                    }
                }
                if let Some(rest) = &array.rest {
                    let left = rest_of(&whole, array.elements.len());
                    self.pattern(&rest.argument, left, out);
                }
            }
        }
    }

    /// The same of a pattern that is assigned to.
    pub(super) fn taken_apart(
        &mut self,
        target: &AssignmentTarget<'_>,
        value: Tree,
        out: &mut Vec<Tree>,
    ) {
        match target {
            AssignmentTarget::ArrayAssignmentTarget(array) => {
                let whole = self.put_aside(value, out);
                for (place, element) in (0..).zip(&array.elements) {
                    if let Some(element) = element {
                        self.maybe(element, place_of(&whole, place), out);
                    }
                }
                if let Some(rest) = &array.rest {
                    let left = rest_of(&whole, array.elements.len());
                    self.taken_apart(&rest.target, left, out);
                }
            }
            AssignmentTarget::ObjectAssignmentTarget(object) => {
                let whole = self.put_aside(value, out);
                for property in &object.properties {
                    match property {
                        AssignmentTargetProperty::AssignmentTargetPropertyIdentifier(one) => {
                            let key = Tree::Text(one.binding.name.to_string());
                            let mut part = taken(&whole, key);
                            if let Some(other) = &one.init {
                                part = Tree::Either(vec![part, self.tree(other)]);
                            }
                            out.push(assign(self.bound(&one.binding.name), part));
                        }
                        AssignmentTargetProperty::AssignmentTargetPropertyProperty(one) => {
                            let key = self.key(&one.name, one.computed);
                            self.maybe(&one.binding, taken(&whole, key), out);
                        }
                    }
                }
                if let Some(rest) = &object.rest {
                    self.taken_apart(&rest.target, Tree::Name(whole), out);
                }
            }
            other => match other.as_simple_assignment_target() {
                Some(simple) => out.push(self.kept(simple, value)),
                None => out.push(value),
            },
        }
    }

    fn maybe(
        &mut self,
        target: &AssignmentTargetMaybeDefault<'_>,
        value: Tree,
        out: &mut Vec<Tree>,
    ) {
        match target {
            AssignmentTargetMaybeDefault::AssignmentTargetWithDefault(inner) => {
                let other = self.tree(&inner.init);
                self.taken_apart(&inner.binding, Tree::Either(vec![value, other]), out);
            }
            other => match other.as_assignment_target() {
                Some(target) => self.taken_apart(target, value, out),
                None => out.push(value),
            },
        }
    }

    fn put_aside(&mut self, value: Tree, out: &mut Vec<Tree>) -> String {
        if let Tree::Name(name) = value {
            return name;
        }
        let name = self.fresh();
        out.push(assign(Target::Name(name.clone()), value));
        name
    }

    /// The name of what a loop or a function takes, and what takes it apart where that is a
    /// pattern.
    pub(super) fn taken_by(&mut self, pattern: &BindingPattern<'_>) -> (Target, Vec<Step>) {
        if let BindingPattern::BindingIdentifier(name) = pattern {
            return (self.bound(&name.name), Vec::new());
        }
        let whole = self.fresh();
        let mut out = Vec::new();
        self.pattern(pattern, Tree::Name(whole.clone()), &mut out);
        (Target::Name(whole), out.into_iter().map(Step::Eval).collect())
    }

    /// The same of what a loop assigns to.
    pub(super) fn taken_into(&mut self, target: &AssignmentTarget<'_>) -> (Target, Vec<Step>) {
        let whole = self.fresh();
        let mut out = Vec::new();
        self.taken_apart(target, Tree::Name(whole.clone()), &mut out);
        (Target::Name(whole), out.into_iter().map(Step::Eval).collect())
    }
}

fn assign(target: Target, value: Tree) -> Tree {
    Tree::Assign(Box::new(target), Box::new(value))
}

/// An entry of an object that has a name.
fn taken(whole: &str, key: Tree) -> Tree {
    let whole = Box::new(Tree::Name(whole.to_owned()));
    match key {
        Tree::Text(name) => Tree::Member(whole, name),
        key => Tree::Index(whole, Box::new(key)),
    }
}

fn place_of(whole: &str, place: i64) -> Tree {
    Tree::Index(Box::new(Tree::Name(whole.to_owned())), Box::new(Tree::Number(place)))
}

fn rest_of(whole: &str, from: usize) -> Tree {
    let from = i64::try_from(from).unwrap_or(i64::MAX);
    Tree::Slice(Box::new(Tree::Name(whole.to_owned())), Some(from), None)
}
