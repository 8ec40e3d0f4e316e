//! Python source to the small tree, by ruff's parser.
//!
//! ruff's is the parser that most people's linters read Python with: written by hand, quick, of
//! every current version of the language, and safe on deep input. rustpython-parser was the other
//! choice; it stopped at Python 3.11.

use std::collections::BTreeSet;
use std::rc::Rc;

use ruff_python_ast as ast;
use ruff_python_ast::Expr;
use ruff_python_ast::Stmt;
use ruff_text_size::Ranged;

use super::tree::Argument;
use super::tree::Call;
use super::tree::Function;
use super::tree::MAX_DEPTH;
use super::tree::Parameter;
use super::tree::Step;
use super::tree::Target;
use super::tree::Tree;

/// Reads Python, with the texts that stand in it, or says why it cannot be read.
pub(super) fn read(code: &str) -> Result<(Vec<Step>, BTreeSet<String>), String> {
    let parsed = ruff_python_parser::parse_unchecked_source(code, ast::PySourceType::Python);
    // What Python refuses to read runs nothing of it, and what is left of it is followed all the
    // same. Only a notebook reads more than Python does.
    let magic = |line: &str| line.trim_start().starts_with(['!', '%', '?']);
    if parsed.has_syntax_errors() && code.lines().any(magic) {
        return Err("holds lines that only a notebook can read".to_owned());
    }
    let mut reader = Reader { depth: 0, functions: 0, too_deep: false, texts: BTreeSet::new() };
    let steps = reader.block(&parsed.syntax().body);
    if reader.too_deep {
        return Err(format!("nests code more than {MAX_DEPTH} levels deep"));
    }
    Ok((steps, reader.texts))
}

struct Reader {
    depth: usize,
    functions: usize,
    too_deep: bool,
    /// The texts that stand in the code, but for those that only describe it.
    texts: BTreeSet<String>,
}

impl Reader {
    fn block(&mut self, body: &[Stmt]) -> Vec<Step> {
        let mut steps = Vec::new();
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            self.too_deep = true;
        } else {
            for statement in body {
                self.statement(statement, &mut steps);
            }
        }
        self.depth -= 1;
        steps
    }

    fn statement(&mut self, statement: &Stmt, out: &mut Vec<Step>) {
        match statement {
            Stmt::FunctionDef(function) => {
                self.decorators(&function.decorator_list, out);
                let body = self.block(&function.body);
                let name = function.name.as_str();
                let function = self.function(name, Some(&function.parameters), body);
                out.push(Step::Define(function));
            }
            Stmt::ClassDef(class) => {
                self.decorators(&class.decorator_list, out);
                if let Some(arguments) = &class.arguments {
                    let bases = arguments.args.iter().map(|base| self.tree(base)).collect();
                    out.push(Step::Eval(Tree::Mixed(bases)));
                    for keyword in &arguments.keywords {
                        out.push(Step::Eval(self.tree(&keyword.value)));
                    }
                }
                let body = self.block(&class.body);
                out.push(Step::Class(class.name.to_string(), body));
            }
            Stmt::Return(done) => {
                let value = done.value.as_deref().map_or(Tree::Plain, |value| self.tree(value));
                out.push(Step::Return(value));
            }
            Stmt::Delete(delete) => {
                let targets = delete.targets.iter().map(|target| self.tree(target)).collect();
                out.push(Step::Eval(Tree::Told(targets)));
            }
            Stmt::TypeAlias(_)
            | Stmt::Global(_)
            | Stmt::Nonlocal(_)
            | Stmt::Pass(_)
            | Stmt::Break(_)
            | Stmt::Continue(_) => {}
            Stmt::Assign(assign) => {
                let value = self.tree(&assign.value);
                match assign.targets.as_slice() {
                    [only] => {
                        let target = self.target(only);
                        out.push(Step::Bind(target, value));
                    }
                    targets => {
                        // `a = b = c`: each gets what the first got.
                        let mut whole = value;
                        for target in targets {
                            let target = self.target(target);
                            whole = Tree::Assign(Box::new(target), Box::new(whole));
                        }
                        out.push(Step::Eval(whole));
                    }
                }
            }
            Stmt::AugAssign(grow) => {
                let (old, value) = (self.tree(&grow.target), self.tree(&grow.value));
                let target = self.target(&grow.target);
                match grow.op {
                    ast::Operator::Add => out.push(Step::Grow(target, old, value)),
                    ast::Operator::Div => {
                        out.push(Step::Bind(target, Tree::Divide(Box::new(old), Box::new(value))))
                    }
                    _ => out.push(Step::Bind(target, Tree::Mixed(vec![old, value]))),
                }
            }
            Stmt::AnnAssign(assign) => {
                if let Some(value) = &assign.value {
                    let (target, value) = (self.target(&assign.target), self.tree(value));
                    out.push(Step::Bind(target, value));
                }
            }
            Stmt::For(each) => {
                let (target, over) = (self.target(&each.target), self.tree(&each.iter));
                let body = self.block(&each.body);
                out.push(Step::Loop(Some((target, over)), body));
                out.extend(self.block(&each.orelse));
            }
            Stmt::While(each) => {
                let mut body = vec![Step::Eval(self.tree(&each.test))];
                body.extend(self.block(&each.body));
                out.push(Step::Loop(None, body));
                out.extend(self.block(&each.orelse));
            }
            Stmt::If(choice) => {
                out.push(Step::Eval(self.tree(&choice.test)));
                let mut ways = vec![self.block(&choice.body)];
                let mut told = false;
                for clause in &choice.elif_else_clauses {
                    let mut way = Vec::new();
                    match &clause.test {
                        Some(test) => way.push(Step::Eval(self.tree(test))),
                        None => told = true,
                    }
                    way.extend(self.block(&clause.body));
                    ways.push(way);
                }
                if !told {
                    ways.push(Vec::new());
                }
                out.push(Step::Branch(ways));
            }
            Stmt::With(with) => {
                for item in &with.items {
                    let value = self.tree(&item.context_expr);
                    match &item.optional_vars {
                        Some(target) => {
                            let target = self.target(target);
                            out.push(Step::Bind(target, value));
                        }
                        None => out.push(Step::Eval(value)),
                    }
                }
                out.extend(self.block(&with.body));
            }
            Stmt::Match(choice) => {
                out.push(Step::Eval(self.tree(&choice.subject)));
                let mut ways = vec![Vec::new()];
                for case in &choice.cases {
                    let mut way = Vec::new();
                    if let Some(guard) = &case.guard {
                        way.push(Step::Eval(self.tree(guard)));
                    }
                    way.extend(self.block(&case.body));
                    ways.push(way);
                }
                out.push(Step::Branch(ways));
            }
            Stmt::Raise(raise) => {
                let parts = [raise.exc.as_deref(), raise.cause.as_deref()];
                let parts = parts.into_iter().flatten().map(|part| self.tree(part)).collect();
                out.push(Step::Eval(Tree::Told(parts)));
            }
            Stmt::Try(attempt) => {
                out.extend(self.block(&attempt.body));
                let mut ways = vec![self.block(&attempt.orelse)];
                for handler in &attempt.handlers {
                    let ast::ExceptHandler::ExceptHandler(handler) = handler;
                    let mut way = Vec::new();
                    if let Some(name) = &handler.name {
                        way.push(Step::Bind(Target::Name(name.to_string()), Tree::Plain));
                    }
                    way.extend(self.block(&handler.body));
                    ways.push(way);
                }
                out.push(Step::Branch(ways));
                out.extend(self.block(&attempt.finalbody));
            }
            Stmt::Assert(assert) => {
                let mut parts = vec![self.tree(&assert.test)];
                parts.extend(assert.msg.as_deref().map(|message| self.tree(message)));
                out.push(Step::Eval(Tree::Told(parts)));
            }
            Stmt::Import(import) => {
                for alias in &import.names {
                    let module = alias.name.to_string();
                    let (name, module) = match &alias.asname {
                        Some(name) => (name.to_string(), module),
                        None => {
                            // `import a.b` binds `a`.
                            out.push(Step::Eval(Tree::Module(module.clone())));
                            let root = module.split('.').next().unwrap_or_default().to_owned();
                            (root.clone(), root)
                        }
                    };
                    out.push(Step::Bind(Target::Name(name), Tree::Module(module)));
                }
            }
            Stmt::ImportFrom(import) => {
                // What lies beside the code is the project's own.
                let own = import.level > 0;
                let module = import.module.as_ref().map(ToString::to_string).unwrap_or_default();
                for alias in &import.names {
                    let name = alias.asname.as_ref().unwrap_or(&alias.name).to_string();
                    if name == "*" {
                        out.push(Step::Eval(Tree::Module(format!("{module}.*"))));
                    } else if own {
                        out.push(Step::Bind(Target::Name(name), Tree::Mixed(Vec::new())));
                    } else {
                        let whole = Tree::Module(format!("{module}.{}", alias.name));
                        out.push(Step::Bind(Target::Name(name), whole));
                    }
                }
            }
            Stmt::Expr(expression) if expression.value.is_string_literal_expr() => {}
            Stmt::Expr(expression) => out.push(Step::Eval(self.tree(&expression.value))),
            Stmt::IpyEscapeCommand(_) => {
                out.push(Step::Unclear("holds a command of a notebook".to_owned()));
            }
        }
    }

    fn decorators(&mut self, decorators: &[ast::Decorator], out: &mut Vec<Step>) {
        for decorator in decorators {
            out.push(Step::Eval(self.tree(&decorator.expression)));
        }
    }

    fn function(
        &mut self,
        name: &str,
        parameters: Option<&ast::Parameters>,
        body: Vec<Step>,
    ) -> Rc<Function> {
        self.functions += 1;
        let mut taken = Vec::new();
        if let Some(all) = parameters {
            let plain = all.posonlyargs.iter().chain(&all.args).chain(&all.kwonlyargs);
            for one in plain {
                let name = one.name().to_string();
                let default = one.default().map(|default| self.tree(default));
                let target = Target::Name(name.clone());
                taken.push(Parameter { target, name, default, rest: false });
            }
            for one in all.vararg.iter().chain(&all.kwarg) {
                let target = Target::Name(one.name.to_string());
                taken.push(Parameter { target, name: String::new(), default: None, rest: true });
            }
        }
        let (id, name) = (self.functions, name.to_owned());
        Rc::new(Function { id, name, parameters: taken, body })
    }

    fn target(&mut self, expression: &Expr) -> Target {
        match expression {
            Expr::Name(name) => Target::Name(name.id.to_string()),
            Expr::Tuple(tuple) => {
                Target::List(tuple.elts.iter().map(|one| self.target(one)).collect())
            }
            Expr::List(list) => {
                Target::List(list.elts.iter().map(|one| self.target(one)).collect())
            }
            Expr::Starred(starred) => self.target(&starred.value),
            Expr::Attribute(member) => {
                Target::Member(Rc::new(self.tree(&member.value)), member.attr.to_string())
            }
            Expr::Subscript(element) => {
                let parts = vec![self.tree(&element.value), self.tree(&element.slice)];
                Target::Element(Rc::new(Tree::Mixed(parts)))
            }
            other => Target::Element(Rc::new(self.tree(other))),
        }
    }

    fn trees<'a>(&mut self, all: impl IntoIterator<Item = &'a Expr>) -> Vec<Tree> {
        all.into_iter().map(|one| self.tree(one)).collect()
    }

    fn tree(&mut self, expression: &Expr) -> Tree {
        self.depth += 1;
        let tree = if self.depth > MAX_DEPTH {
            self.too_deep = true;
            Tree::Plain
        } else {
            self.expression(expression)
        };
        self.depth -= 1;
        tree
    }

    fn expression(&mut self, expression: &Expr) -> Tree {
        let range = expression.range();
        let at = (usize::from(range.start()), usize::from(range.end()));
        match expression {
            Expr::BoolOp(either) => Tree::Either(self.trees(&either.values)),
            Expr::Named(named) => {
                let (target, value) = (self.target(&named.target), self.tree(&named.value));
                Tree::Assign(Box::new(target), Box::new(value))
            }
            Expr::BinOp(pair) => self.operator(pair),
            Expr::UnaryOp(one) => match (one.op, &*one.operand) {
                (ast::UnaryOp::USub, Expr::NumberLiteral(number)) => {
                    whole(number).map_or(Tree::Plain, |number| Tree::Number(-number))
                }
                (_, operand) => Tree::Told(vec![self.tree(operand)]),
            },
            Expr::Lambda(lambda) => {
                let body = vec![Step::Return(self.tree(&lambda.body))];
                Tree::Function(self.function("", lambda.parameters.as_deref(), body))
            }
            Expr::If(choice) => {
                let test = self.tree(&choice.test);
                let ways = vec![self.tree(&choice.body), self.tree(&choice.orelse)];
                Tree::After(vec![test], Box::new(Tree::Either(ways)))
            }
            Expr::Dict(dict) => Tree::Map(
                dict.items
                    .iter()
                    .map(|item| {
                        (item.key.as_ref().map(|key| self.tree(key)), self.tree(&item.value))
                    })
                    .collect(),
            ),
            Expr::Set(set) => Tree::List(self.trees(&set.elts)),
            Expr::List(list) => Tree::List(self.trees(&list.elts)),
            Expr::Tuple(tuple) => Tree::List(self.trees(&tuple.elts)),
            Expr::ListComp(all) => self.each(&all.elt, None, &all.generators),
            Expr::SetComp(all) => self.each(&all.elt, None, &all.generators),
            Expr::Generator(all) => self.each(&all.elt, None, &all.generators),
            Expr::DictComp(all) => self.each(&all.value, all.key.as_deref(), &all.generators),
            Expr::Await(wait) => self.tree(&wait.value),
            Expr::Yield(give) => {
                let given = give.value.as_deref().map(|value| self.tree(value));
                Tree::Mixed(given.into_iter().collect())
            }
            Expr::YieldFrom(give) => Tree::Mixed(vec![self.tree(&give.value)]),
            Expr::Compare(compare) => {
                let mut parts = vec![self.tree(&compare.left)];
                parts.extend(self.trees(&*compare.comparators));
                Tree::Told(parts)
            }
            Expr::Call(call) => {
                let callee = self.tree(&call.func);
                let mut args = Vec::new();
                for one in &call.arguments.args {
                    args.push(match one {
                        Expr::Starred(starred) => {
                            Argument { name: None, value: self.tree(&starred.value), spread: true }
                        }
                        other => Argument::plain(self.tree(other)),
                    });
                }
                for keyword in &call.arguments.keywords {
                    let name = keyword.arg.as_ref().map(ToString::to_string);
                    let spread = name.is_none();
                    args.push(Argument { name, value: self.tree(&keyword.value), spread });
                }
                Tree::Call(Box::new(Call { callee, args, at }))
            }
            Expr::FString(text) => {
                let mut parts = Vec::new();
                for part in &text.value {
                    match part {
                        ast::FStringPart::Literal(literal) => {
                            parts.push(Tree::Text(literal.to_string()));
                        }
                        ast::FStringPart::FString(inner) => {
                            self.interpolated(&inner.elements, &mut parts);
                        }
                    }
                }
                Tree::Glued(parts)
            }
            Expr::TString(text) => {
                let mut parts = Vec::new();
                for part in &text.value {
                    self.interpolated(&part.elements, &mut parts);
                }
                Tree::Mixed(parts)
            }
            Expr::StringLiteral(text) => {
                let text = text.value.to_str();
                self.texts.insert(text.to_owned());
                Tree::Text(text.to_owned())
            }
            Expr::BytesLiteral(text) => {
                let bytes: Vec<u8> = text.value.bytes().collect();
                String::from_utf8(bytes).map_or(Tree::Mixed(Vec::new()), Tree::Text)
            }
            Expr::NumberLiteral(number) => whole(number).map_or(Tree::Plain, Tree::Number),
            Expr::BooleanLiteral(truth) => Tree::Number(i64::from(truth.value)),
            Expr::NoneLiteral(_) | Expr::EllipsisLiteral(_) => Tree::Plain,
            Expr::Attribute(member) => {
                Tree::Member(Box::new(self.tree(&member.value)), member.attr.to_string())
            }
            Expr::Subscript(element) => {
                let whole = Box::new(self.tree(&element.value));
                match &*element.slice {
                    Expr::Slice(slice) => self.slice(whole, slice),
                    index => Tree::Index(whole, Box::new(self.tree(index))),
                }
            }
            Expr::Starred(starred) => Tree::Mixed(vec![self.tree(&starred.value)]),
            Expr::Name(name) => Tree::Name(name.id.to_string()),
            Expr::Slice(slice) => {
                let ends = [&slice.lower, &slice.upper, &slice.step];
                Tree::Mixed(ends.into_iter().flatten().map(|end| self.tree(end)).collect())
            }
            // A notebook's `!ls` is refused as a statement; it stands nowhere else.
            Expr::IpyEscapeCommand(_) => Tree::Mixed(Vec::new()),
        }
    }

    fn operator(&mut self, pair: &ast::ExprBinOp) -> Tree {
        let (left, right) = (self.tree(&pair.left), self.tree(&pair.right));
        match pair.op {
            ast::Operator::Add => Tree::Add(Box::new(left), Box::new(right)),
            ast::Operator::Div => Tree::Divide(Box::new(left), Box::new(right)),
            // `'a%sb' % c` writes text; of numbers it makes numbers.
            ast::Operator::Mod => Tree::Mixed(vec![left, right]),
            ast::Operator::Mult => Tree::Mixed(vec![left, right]),
            _ => Tree::Told(vec![left, right]),
        }
    }

    fn slice(&mut self, whole: Box<Tree>, slice: &ast::ExprSlice) -> Tree {
        let end = |end: &Option<Box<Expr>>| match end.as_deref() {
            None => Some(None),
            Some(Expr::NumberLiteral(number)) => self::whole(number).map(Some),
            Some(Expr::UnaryOp(one)) => match (&one.op, &*one.operand) {
                (ast::UnaryOp::USub, Expr::NumberLiteral(number)) => {
                    self::whole(number).map(|number| Some(-number))
                }
                _ => None,
            },
            Some(_) => None,
        };
        match (end(&slice.lower), end(&slice.upper), end(&slice.step)) {
            (Some(from), Some(to), Some(None | Some(1))) => Tree::Slice(whole, from, to),
            (Some(None), Some(None), Some(Some(-1))) => Tree::Reversed(whole),
            _ => {
                let ends = [&slice.lower, &slice.upper, &slice.step];
                let mut parts = vec![*whole];
                parts.extend(ends.into_iter().flatten().map(|end| self.tree(end)));
                Tree::Mixed(parts)
            }
        }
    }

    fn each(&mut self, one: &Expr, key: Option<&Expr>, all: &[ast::Comprehension]) -> Tree {
        let mut generators = Vec::new();
        let mut tests = Vec::new();
        for generator in all {
            generators.push((self.target(&generator.target), self.tree(&generator.iter)));
            tests.extend(self.trees(&generator.ifs));
        }
        let element = self.tree(one);
        // What it is tested by runs too; the element is what counts.
        tests.extend(key.map(|key| self.tree(key)));
        Tree::Each(Box::new(Tree::After(tests, Box::new(element))), generators)
    }

    fn interpolated(&mut self, elements: &ast::InterpolatedStringElements, parts: &mut Vec<Tree>) {
        for element in elements {
            match element {
                ast::InterpolatedStringElement::Literal(text) => {
                    parts.push(Tree::Text(text.value.to_string()));
                }
                ast::InterpolatedStringElement::Interpolation(inner) => {
                    let value = self.tree(&inner.expression);
                    match &inner.format_spec {
                        Some(spec) => {
                            let mut all = vec![value];
                            self.interpolated(&spec.elements, &mut all);
                            parts.push(Tree::Mixed(all));
                        }
                        None => parts.push(value),
                    }
                }
            }
        }
    }
}

fn whole(number: &ast::ExprNumberLiteral) -> Option<i64> {
    match &number.value {
        ast::Number::Int(int) => int.as_i64(),
        ast::Number::Float(_) | ast::Number::Complex { .. } => None,
    }
}
