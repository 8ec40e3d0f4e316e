//! Statements, functions and classes of JavaScript.

use super::*;

impl Reader {
    /// The statements of a scope, what it declares known from its start and its functions first.
    pub(super) fn block(&mut self, body: &[Statement<'_>]) -> Vec<Step> {
        let mut steps = Vec::new();
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            self.too_deep = true;
        } else {
            for statement in body {
                if let Some(function) = hoisted(statement) {
                    self.define(function, &mut steps);
                }
            }
            for statement in body {
                self.statement(statement, &mut steps);
            }
        }
        self.depth -= 1;
        steps
    }

    /// The same in a scope of its own.
    fn scope(&mut self, body: &[Statement<'_>]) -> Vec<Step> {
        self.scopes.push(HashMap::new());
        self.declare_all(body);
        let steps = self.block(body);
        self.scopes.pop();
        steps
    }

    /// One statement in a scope of its own, which it needs no braces for.
    fn inner(&mut self, statement: &Statement<'_>) -> Vec<Step> {
        match statement {
            Statement::BlockStatement(block) => self.scope(&block.body),
            one => self.scope(std::slice::from_ref(one)),
        }
    }

    fn define(&mut self, function: &Function<'_>, out: &mut Vec<Step>) {
        let Some(name) = &function.id else { return };
        let function = self.function(&name.name, function, false);
        if let Target::Name(bound) = self.bound(&name.name) {
            let value = Tree::Function(function);
            out.push(Step::Bind(Target::Name(bound), value));
        }
    }

    fn statement(&mut self, statement: &Statement<'_>, out: &mut Vec<Step>) {
        match statement {
            Statement::BlockStatement(block) => out.extend(self.scope(&block.body)),
            Statement::BreakStatement(_)
            | Statement::ContinueStatement(_)
            | Statement::DebuggerStatement(_)
            | Statement::EmptyStatement(_) => {}
            Statement::DoWhileStatement(each) => {
                let mut body = self.inner(&each.body);
                body.push(Step::Eval(self.tree(&each.test)));
                out.push(Step::Loop(None, body));
            }
            Statement::WhileStatement(each) => {
                let mut body = vec![Step::Eval(self.tree(&each.test))];
                body.extend(self.inner(&each.body));
                out.push(Step::Loop(None, body));
            }
            Statement::ExpressionStatement(one) => {
                out.push(Step::Eval(self.tree(&one.expression)));
            }
            Statement::ForInStatement(each) => {
                self.each(&each.left, &each.right, &each.body, out);
            }
            Statement::ForOfStatement(each) => {
                self.each(&each.left, &each.right, &each.body, out);
            }
            Statement::ForStatement(each) => self.counted(each, out),
            Statement::IfStatement(choice) => {
                out.push(Step::Eval(self.tree(&choice.test)));
                let then = self.inner(&choice.consequent);
                let other = choice.alternate.as_ref().map(|other| self.inner(other));
                out.push(Step::Branch(vec![then, other.unwrap_or_default()]));
            }
            Statement::LabeledStatement(inner) => self.deeper(&inner.body, out),
            Statement::ReturnStatement(done) => {
                let value = done.argument.as_ref().map(|value| self.tree(value));
                out.push(Step::Return(value.unwrap_or(Tree::Plain)));
            }
            Statement::SwitchStatement(switch) => {
                out.push(Step::Eval(self.tree(&switch.discriminant)));
                self.scopes.push(HashMap::new());
                for case in &switch.cases {
                    self.declare_all(&case.consequent);
                }
                for case in &switch.cases {
                    if let Some(test) = &case.test {
                        out.push(Step::Eval(self.tree(test)));
                    }
                    // One may run on into the next.
                    let way = self.block(&case.consequent);
                    out.push(Step::Branch(vec![way, Vec::new()]));
                }
                self.scopes.pop();
            }
            Statement::ThrowStatement(thrown) => {
                out.push(Step::Eval(Tree::Told(vec![self.tree(&thrown.argument)])));
            }
            Statement::TryStatement(attempt) => {
                out.extend(self.scope(&attempt.block.body));
                if let Some(handler) = &attempt.handler {
                    self.scopes.push(HashMap::new());
                    let mut way = Vec::new();
                    if let Some(caught) = &handler.param {
                        self.declare_pattern(&caught.pattern);
                        let mut parts = Vec::new();
                        self.pattern(&caught.pattern, unknown(), &mut parts);
                        way.extend(parts.into_iter().map(Step::Eval));
                    }
                    way.extend(self.scope(&handler.body.body));
                    self.scopes.pop();
                    out.push(Step::Branch(vec![way, Vec::new()]));
                }
                if let Some(last) = &attempt.finalizer {
                    out.extend(self.scope(&last.body));
                }
            }
            Statement::WithStatement(with) => {
                out.push(Step::Eval(self.tree(&with.object)));
                out.push(Step::Unclear("takes names out of an object (`with`)".to_owned()));
            }
            Statement::ImportDeclaration(import) => self.import(import, out),
            Statement::ExportAllDeclaration(export) if !export.export_kind.is_type() => {
                out.push(Step::Eval(Tree::Module(export.source.value.to_string())));
            }
            Statement::ExportFromDeclaration(export) if !export.export_kind.is_type() => {
                out.push(Step::Eval(Tree::Module(export.source.value.to_string())));
            }
            Statement::ExportAllDeclaration(_)
            | Statement::ExportFromDeclaration(_)
            | Statement::ExportNamedDeclaration(_)
            | Statement::TSNamespaceExportDeclaration(_) => {}
            Statement::ExportDefaultDeclaration(export) => match &export.declaration {
                ExportDefaultDeclarationKind::FunctionDeclaration(function) => {
                    let name = function.id.as_ref().map_or("default", |name| name.name.as_str());
                    let function = self.function(name, function, false);
                    out.push(Step::Eval(Tree::Function(function)));
                }
                ExportDefaultDeclarationKind::ClassDeclaration(class) => self.class(class, out),
                ExportDefaultDeclarationKind::TSInterfaceDeclaration(_) => {}
                other => {
                    if let Some(value) = other.as_expression() {
                        out.push(Step::Eval(self.tree(value)));
                    }
                }
            },
            Statement::ExportDeclaration(export) => self.declaration(&export.declaration, out),
            Statement::TSExportAssignment(export) => {
                out.push(Step::Eval(self.tree(&export.expression)));
            }
            other => {
                if let Some(declaration) = other.as_declaration() {
                    self.declaration(declaration, out);
                }
            }
        }
    }

    fn deeper(&mut self, statement: &Statement<'_>, out: &mut Vec<Step>) {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            self.too_deep = true;
        } else {
            self.statement(statement, out);
        }
        self.depth -= 1;
    }

    fn declaration(&mut self, declaration: &Declaration<'_>, out: &mut Vec<Step>) {
        match declaration {
            Declaration::VariableDeclaration(variables) => self.variables(variables, out),
            // It was defined where its scope began.
            Declaration::FunctionDeclaration(_) => {}
            Declaration::ClassDeclaration(class) => self.class(class, out),
            Declaration::TSTypeAliasDeclaration(_)
            | Declaration::TSInterfaceDeclaration(_)
            | Declaration::TSExternalModuleDeclaration(_)
            | Declaration::TSGlobalDeclaration(_) => {}
            Declaration::TSEnumDeclaration(all) => {
                for member in &all.body.members {
                    if let Some(value) = &member.initializer {
                        out.push(Step::Eval(self.tree(value)));
                    }
                }
                out.push(Step::Bind(self.bound(&all.id.name), unknown()));
            }
            Declaration::TSNamespaceDeclaration(space) if space.declare => {}
            Declaration::TSNamespaceDeclaration(_) => {
                out.push(Step::Unclear("declares a namespace, which is not followed".to_owned()));
            }
            Declaration::TSImportEqualsDeclaration(import) => {
                let value = match &import.module_reference {
                    TSModuleReference::ExternalModuleReference(module) => {
                        Tree::Module(module.expression.value.to_string())
                    }
                    TSModuleReference::IdentifierReference(_)
                    | TSModuleReference::QualifiedName(_) => unknown(),
                };
                out.push(Step::Bind(self.bound(&import.id.name), value));
            }
        }
    }

    fn variables(&mut self, variables: &VariableDeclaration<'_>, out: &mut Vec<Step>) {
        for variable in &variables.declarations {
            let value = match &variable.init {
                Some(Expression::ClassExpression(class)) => {
                    if let BindingPattern::BindingIdentifier(name) = &variable.id {
                        self.class_as(&name.name, class, out);
                        continue;
                    }
                    unknown()
                }
                Some(value) => self.tree(value),
                // `var x;` leaves what `x` was.
                None if variables.kind.is_var() => continue,
                None => Tree::Plain,
            };
            let mut parts = Vec::new();
            self.pattern(&variable.id, value, &mut parts);
            out.extend(parts.into_iter().map(Step::Eval));
        }
    }

    fn each(
        &mut self,
        left: &ForStatementLeft<'_>,
        over: &Expression<'_>,
        body: &Statement<'_>,
        out: &mut Vec<Step>,
    ) {
        let over = self.tree(over);
        self.scopes.push(HashMap::new());
        let (target, mut steps) = match left {
            ForStatementLeft::VariableDeclaration(variables) => {
                let pattern = variables.declarations.first().map(|variable| &variable.id);
                if let Some(pattern) = pattern.filter(|_| variables.kind.is_lexical()) {
                    self.declare_pattern(pattern);
                }
                match pattern {
                    Some(pattern) => self.taken_by(pattern),
                    None => (Target::List(Vec::new()), Vec::new()),
                }
            }
            other => match other.as_assignment_target() {
                Some(target) => self.taken_into(target),
                None => (Target::List(Vec::new()), Vec::new()),
            },
        };
        steps.extend(self.inner(body));
        self.scopes.pop();
        out.push(Step::Loop(Some((target, over)), steps));
    }

    /// `for (a; b; c)`.
    fn counted(&mut self, each: &ForStatement<'_>, out: &mut Vec<Step>) {
        self.scopes.push(HashMap::new());
        match &each.init {
            Some(ForStatementInit::VariableDeclaration(variables)) => {
                if variables.kind.is_lexical() {
                    for variable in &variables.declarations {
                        self.declare_pattern(&variable.id);
                    }
                }
                self.variables(variables, out);
            }
            Some(other) => {
                out.extend(other.as_expression().map(|first| Step::Eval(self.tree(first))));
            }
            None => {}
        }
        let mut body: Vec<Step> = Vec::new();
        body.extend(each.test.as_ref().map(|test| Step::Eval(self.tree(test))));
        body.extend(self.inner(&each.body));
        body.extend(each.update.as_ref().map(|update| Step::Eval(self.tree(update))));
        self.scopes.pop();
        out.push(Step::Loop(None, body));
    }

    fn import(&mut self, import: &ImportDeclaration<'_>, out: &mut Vec<Step>) {
        if import.import_kind.is_type() {
            return;
        }
        let module = import.source.value.to_string();
        out.push(Step::Eval(Tree::Module(module.clone())));
        for one in import.specifiers.iter().flatten() {
            let (local, value) = match one {
                ImportDeclarationSpecifier::ImportSpecifier(one) => {
                    let whole = Tree::Module(module.clone());
                    match one.imported.name().as_str() {
                        "default" => (&one.local, whole),
                        name => (&one.local, Tree::Member(Box::new(whole), name.to_owned())),
                    }
                }
                ImportDeclarationSpecifier::ImportDefaultSpecifier(one) => {
                    (&one.local, Tree::Module(module.clone()))
                }
                ImportDeclarationSpecifier::ImportNamespaceSpecifier(one) => {
                    (&one.local, Tree::Module(module.clone()))
                }
            };
            out.push(Step::Bind(self.bound(&local.name), value));
        }
    }

    fn class(&mut self, class: &Class<'_>, out: &mut Vec<Step>) {
        let name = class.id.as_ref().map_or("default", |name| name.name.as_str()).to_owned();
        self.class_as(&name, class, out);
    }

    fn class_as(&mut self, name: &str, class: &Class<'_>, out: &mut Vec<Step>) {
        if class.declare {
            return;
        }
        let mut body = Vec::new();
        self.class_body(class, &mut |key, value| {
            body.push(Step::Eval(match key {
                Some(Tree::Text(key)) => {
                    let target = Target::Member(Rc::new(Tree::Name("this".to_owned())), key);
                    Tree::Assign(Box::new(target), Box::new(value))
                }
                Some(key) => Tree::Mixed(vec![key, value]),
                None => value,
            }));
        });
        match self.bound(name) {
            Target::Name(name) => out.push(Step::Class(name, body)),
            Target::List(_) | Target::Member(..) | Target::Element(_) => {}
        }
    }

    /// What stands in a class, by its names; what has none runs when the class is made.
    pub(super) fn class_body(
        &mut self,
        class: &Class<'_>,
        put: &mut dyn FnMut(Option<Tree>, Tree),
    ) {
        for decorator in &class.decorators {
            put(None, self.tree(&decorator.expression));
        }
        if let Some(heritage) = &class.heritage {
            put(None, self.tree(&heritage.expression));
        }
        self.depth += 1;
        self.too_deep |= self.depth > MAX_DEPTH;
        for element in &class.body.body {
            if self.too_deep {
                break;
            }
            match element {
                ClassElement::StaticBlock(block) => {
                    let body = self.scope(&block.body);
                    let function = self.made("", Vec::new(), body);
                    let callee = Tree::Function(function);
                    let call = Call { callee, args: Vec::new(), at: at(block.span()) };
                    put(None, Tree::Call(Box::new(call)));
                }
                ClassElement::MethodDefinition(method) => {
                    for decorator in &method.decorators {
                        put(None, self.tree(&decorator.expression));
                    }
                    let key = self.key(&method.key, method.computed);
                    let name =
                        if let Tree::Text(name) = &key { name.clone() } else { String::new() };
                    let function = self.function(&name, &method.value, false);
                    put(Some(key), Tree::Function(function));
                }
                ClassElement::PropertyDefinition(property) => {
                    for decorator in &property.decorators {
                        put(None, self.tree(&decorator.expression));
                    }
                    let key = self.key(&property.key, property.computed);
                    if let Some(value) = &property.value {
                        let value = self.tree(value);
                        put(Some(key), value);
                    } else {
                        put(None, key);
                    }
                }
                ClassElement::AccessorProperty(property) => {
                    let key = self.key(&property.key, property.computed);
                    let value = property.value.as_ref().map(|value| self.tree(value));
                    put(Some(key), value.unwrap_or(Tree::Plain));
                }
                ClassElement::TSIndexSignature(_) => {}
            }
        }
        self.depth -= 1;
    }

    /// A function; one that is an expression knows itself by its name.
    pub(super) fn function(
        &mut self,
        name: &str,
        function: &Function<'_>,
        expression: bool,
    ) -> Rc<Followed> {
        self.scopes.push(HashMap::new());
        if let Some(own) = function.id.as_ref().filter(|_| expression) {
            self.declare_unknown(&own.name);
        }
        let statements = function.body.as_ref().map(|body| &body.statements);
        let (parameters, mut steps) = self.parameters(&function.params);
        if let Some(statements) = statements {
            self.declare_vars(statements, 0);
            self.declare_all(statements);
            steps.extend(self.block(statements));
        }
        self.scopes.pop();
        self.made(name, parameters, steps)
    }

    pub(super) fn arrow(&mut self, arrow: &ArrowFunctionExpression<'_>) -> Rc<Followed> {
        self.scopes.push(HashMap::new());
        let (parameters, mut steps) = self.parameters(&arrow.params);
        match &arrow.body {
            ArrowFunctionBody::FunctionBody(body) => {
                self.declare_vars(&body.statements, 0);
                self.declare_all(&body.statements);
                steps.extend(self.block(&body.statements));
            }
            other => {
                let value = other.as_expression().map(|value| self.tree(value));
                steps.push(Step::Return(value.unwrap_or(Tree::Plain)));
            }
        }
        self.scopes.pop();
        self.made("", parameters, steps)
    }

    fn parameters(&mut self, all: &FormalParameters<'_>) -> (Vec<Parameter>, Vec<Step>) {
        for one in &all.items {
            self.declare_pattern(&one.pattern);
        }
        if let Some(rest) = &all.rest {
            self.declare_pattern(&rest.rest.argument);
        }
        let (mut parameters, mut steps) = (Vec::new(), Vec::new());
        for one in &all.items {
            let (target, apart) = self.taken_by(&one.pattern);
            steps.extend(apart);
            let default = one.initializer.as_ref().map(|value| self.tree(value));
            parameters.push(Parameter { target, name: String::new(), default, rest: false });
        }
        if let Some(rest) = &all.rest {
            let (target, apart) = self.taken_by(&rest.rest.argument);
            steps.extend(apart);
            parameters.push(Parameter { target, name: String::new(), default: None, rest: true });
        }
        (parameters, steps)
    }

    fn made(&mut self, name: &str, parameters: Vec<Parameter>, body: Vec<Step>) -> Rc<Followed> {
        self.functions += 1;
        Rc::new(Followed { id: self.functions, name: name.to_owned(), parameters, body })
    }
}

/// A function that its scope knows from its start.
fn hoisted<'a, 'b>(statement: &'a Statement<'b>) -> Option<&'a Function<'b>> {
    let declaration = match statement {
        Statement::ExportDeclaration(export) => Some(&export.declaration),
        other => other.as_declaration(),
    };
    match declaration {
        Some(Declaration::FunctionDeclaration(function)) => Some(function),
        Some(_) | None => None,
    }
}
