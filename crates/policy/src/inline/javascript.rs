//! JavaScript and TypeScript source to the small tree, by oxc's parser.
//!
//! oxc's is written by hand, reads every current version of both languages, and puts the whole tree
//! into one arena that is freed at once, so that hostile nesting overflows no stack when it is dropped.
//! swc's was the other choice; its tree is of boxes, and its texts are kept in a table of the process.
//!
//! The languages have variables of blocks and of functions, which may hide each other. Here each
//! but those of the outermost scope gets a name of its own (`name#3`), so that whoever follows the
//! tree needs no scopes of the language.

use std::collections::BTreeSet;
use std::collections::HashMap;
use std::rc::Rc;

use oxc_allocator::Allocator;
use oxc_ast::ast::Argument as Given;
use oxc_ast::ast::*;
use oxc_parser::ParseOptions;
use oxc_parser::Parser;
use oxc_span::GetSpan;
use oxc_span::SourceType;

use super::tree::Argument as Arg;
use super::tree::Call;
use super::tree::Function as Followed;
use super::tree::MAX_DEPTH;
use super::tree::Parameter;
use super::tree::Step;
use super::tree::Target;
use super::tree::Tree;

mod names;
mod statements;

/// Reads JavaScript or TypeScript, with the texts that stand in it, or says why it cannot be read.
pub(super) fn read(code: &str) -> Result<(Vec<Step>, BTreeSet<String>), String> {
    let ways = [
        SourceType::cjs(),
        SourceType::mjs(),
        SourceType::jsx(),
        SourceType::ts(),
        SourceType::tsx(),
    ];
    for way in ways {
        let allocator = Allocator::default();
        let options =
            ParseOptions { allow_return_outside_function: true, ..ParseOptions::default() };
        let parsed = Parser::new(&allocator, code, way).with_options(options).parse();
        if parsed.panicked || !parsed.diagnostics.is_empty() {
            continue;
        }
        let mut reader = Reader::default();
        let steps = reader.block(&parsed.program.body);
        if reader.too_deep {
            return Err(format!("nests code more than {MAX_DEPTH} levels deep"));
        }
        return Ok((steps, reader.texts));
    }
    Err("is not JavaScript that can be read to its end".to_owned())
}

#[derive(Default)]
struct Reader {
    depth: usize,
    functions: usize,
    too_deep: bool,
    /// The texts that stand in the code.
    texts: BTreeSet<String>,
    /// What the names of each scope inside the outermost are called here.
    scopes: Vec<HashMap<String, String>>,
    /// How many names were given.
    names: usize,
}

/// A value nobody knows.
fn unknown() -> Tree {
    Tree::Mixed(Vec::new())
}

impl Reader {
    fn tree(&mut self, expression: &Expression<'_>) -> Tree {
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

    fn trees<'a, 'b: 'a>(
        &mut self,
        all: impl IntoIterator<Item = &'a Expression<'b>>,
    ) -> Vec<Tree> {
        all.into_iter().map(|one| self.tree(one)).collect()
    }

    fn text(&mut self, text: &str) -> Tree {
        self.texts.insert(text.to_owned());
        Tree::Text(text.to_owned())
    }

    /// A name as it is used.
    fn name(&self, name: &str) -> Tree {
        match (self.resolved(name), name) {
            (Some(""), _) => unknown(),
            (Some(own), _) => Tree::Name(own.to_owned()),
            (None, "undefined" | "NaN" | "Infinity") => Tree::Plain,
            (None, "arguments") => unknown(),
            (None, name) => Tree::Name(name.to_owned()),
        }
    }

    fn expression(&mut self, expression: &Expression<'_>) -> Tree {
        match expression {
            // As text, because that is what `'a' + true` makes of it.
            Expression::BooleanLiteral(truth) => Tree::Text(truth.value.to_string()),
            Expression::NullLiteral(_)
            | Expression::BigIntLiteral(_)
            | Expression::RegExpLiteral(_)
            | Expression::NewTarget(_) => Tree::Plain,
            Expression::NumericLiteral(number) => {
                whole(number.value).map_or(Tree::Plain, Tree::Number)
            }
            Expression::StringLiteral(text) if text.lone_surrogates => unknown(),
            Expression::StringLiteral(text) => self.text(&text.value),
            Expression::TemplateLiteral(template) => self.template(template),
            Expression::Identifier(name) => self.name(&name.name),
            Expression::Super(_) => Tree::Name("super".to_owned()),
            Expression::ThisExpression(_) => Tree::Name("this".to_owned()),
            Expression::ImportMeta(_) => Tree::Name("import.meta".to_owned()),
            Expression::ArrayExpression(array) => self.array(&array.elements),
            Expression::ArrowFunctionExpression(arrow) => Tree::Function(self.arrow(arrow)),
            Expression::FunctionExpression(function) => {
                Tree::Function(self.function("", function, true))
            }
            Expression::ClassExpression(class) => {
                let mut entries = Vec::new();
                self.class_body(class, &mut |key, value| entries.push((key, value)));
                Tree::Map(entries)
            }
            Expression::AssignmentExpression(assign) => self.assignment(assign),
            Expression::AwaitExpression(wait) => self.tree(&wait.argument),
            Expression::YieldExpression(give) => {
                let given = give.argument.as_ref().map(|value| self.tree(value));
                Tree::Mixed(given.into_iter().collect())
            }
            Expression::BinaryExpression(pair) => {
                let (left, right) = (self.tree(&pair.left), self.tree(&pair.right));
                match pair.operator {
                    BinaryOperator::Addition => Tree::Add(Box::new(left), Box::new(right)),
                    _ => Tree::Told(vec![left, right]),
                }
            }
            Expression::PrivateInExpression(pair) => Tree::Told(vec![self.tree(&pair.right)]),
            Expression::LogicalExpression(pair) => {
                Tree::Either(self.trees([&pair.left, &pair.right]))
            }
            Expression::ConditionalExpression(choice) => {
                let test = self.tree(&choice.test);
                let ways = self.trees([&choice.consequent, &choice.alternate]);
                Tree::After(vec![test], Box::new(Tree::Either(ways)))
            }
            Expression::UnaryExpression(one) => match (one.operator, &one.argument) {
                (UnaryOperator::UnaryNegation, Expression::NumericLiteral(number)) => {
                    whole(-number.value).map_or(Tree::Plain, Tree::Number)
                }
                (_, operand) => Tree::Told(vec![self.tree(operand)]),
            },
            Expression::UpdateExpression(update) => {
                self.kept(&update.argument, Tree::Told(Vec::new()))
            }
            Expression::SequenceExpression(all) => {
                let mut all = self.trees(&all.expressions);
                let last = all.pop().unwrap_or(Tree::Plain);
                Tree::After(all, Box::new(last))
            }
            Expression::CallExpression(call) => self.call(call),
            Expression::NewExpression(new) => {
                let callee = self.tree(&new.callee);
                self.calls(callee, &new.arguments, new.span())
            }
            Expression::ImportExpression(import) => {
                let callee = Tree::Name("import".to_owned());
                let args = vec![Arg::plain(self.tree(&import.source))];
                Tree::Call(Box::new(Call { callee, args, at: at(import.span()) }))
            }
            Expression::TaggedTemplateExpression(tagged) => self.tagged(tagged),
            Expression::ChainExpression(chain) => match &chain.expression {
                ChainElement::CallExpression(call) => self.call(call),
                ChainElement::TSNonNullExpression(inner) => self.tree(&inner.expression),
                ChainElement::ComputedMemberExpression(member) => self.computed(member),
                ChainElement::StaticMemberExpression(member) => self.member(member),
                ChainElement::PrivateFieldExpression(member) => self.private(member),
            },
            Expression::ComputedMemberExpression(member) => self.computed(member),
            Expression::StaticMemberExpression(member) => self.member(member),
            Expression::PrivateFieldExpression(member) => self.private(member),
            Expression::ObjectExpression(object) => self.object(object),
            Expression::ParenthesizedExpression(inner) => self.tree(&inner.expression),
            Expression::JSXElement(element) => self.element(element),
            Expression::JSXFragment(fragment) => self.children(&fragment.children),
            Expression::TSAsExpression(inner) => self.tree(&inner.expression),
            Expression::TSSatisfiesExpression(inner) => self.tree(&inner.expression),
            Expression::TSTypeAssertion(inner) => self.tree(&inner.expression),
            Expression::TSNonNullExpression(inner) => self.tree(&inner.expression),
            Expression::TSInstantiationExpression(inner) => self.tree(&inner.expression),
            // `%DebugPrint(x)`: only an engine told so reads it.
            Expression::V8IntrinsicExpression(call) => {
                let callee = Tree::Name("eval".to_owned());
                self.calls(callee, &call.arguments, call.span())
            }
        }
    }

    fn member(&mut self, member: &StaticMemberExpression<'_>) -> Tree {
        Tree::Member(Box::new(self.tree(&member.object)), member.property.name.to_string())
    }

    fn private(&mut self, member: &PrivateFieldExpression<'_>) -> Tree {
        Tree::Member(Box::new(self.tree(&member.object)), format!("#{}", member.field.name))
    }

    fn computed(&mut self, member: &ComputedMemberExpression<'_>) -> Tree {
        let object = Box::new(self.tree(&member.object));
        match &member.expression {
            Expression::StringLiteral(name) => Tree::Member(object, name.value.to_string()),
            index => Tree::Index(object, Box::new(self.tree(index))),
        }
    }

    fn call(&mut self, call: &CallExpression<'_>) -> Tree {
        // What `Object.assign` writes into is not followed, so it is no longer known.
        if let Expression::StaticMemberExpression(member) = &call.callee
            && let Expression::Identifier(object) = &member.object
            && object.name == "Object"
            && matches!(member.property.name.as_str(), "assign" | "defineProperty")
            && let Some(Given::Identifier(name)) = call.arguments.first()
            && let Tree::Name(name) = self.name(&name.name)
        {
            let values = self.arguments(&call.arguments);
            let values = values.into_iter().map(|argument| argument.value).collect();
            return Tree::Assign(Box::new(Target::Name(name)), Box::new(Tree::Mixed(values)));
        }
        let callee = self.tree(&call.callee);
        self.calls(callee, &call.arguments, call.span())
    }

    fn calls(&mut self, callee: Tree, args: &[Given<'_>], span: oxc_span::Span) -> Tree {
        let args = self.arguments(args);
        Tree::Call(Box::new(Call { callee, args, at: at(span) }))
    }

    fn arguments(&mut self, all: &[Given<'_>]) -> Vec<Arg> {
        let mut args = Vec::new();
        for one in all {
            args.push(match one {
                Given::SpreadElement(spread) => {
                    Arg { name: None, value: self.tree(&spread.argument), spread: true }
                }
                other => {
                    Arg::plain(other.as_expression().map_or(Tree::Plain, |value| self.tree(value)))
                }
            });
        }
        args
    }

    fn array(&mut self, elements: &[ArrayExpressionElement<'_>]) -> Tree {
        let mut all = Vec::new();
        let mut spread = false;
        for one in elements {
            all.push(match one {
                ArrayExpressionElement::SpreadElement(inner) => {
                    spread = true;
                    (true, self.tree(&inner.argument))
                }
                ArrayExpressionElement::Elision(_) => (false, Tree::Plain),
                other => {
                    (false, other.as_expression().map_or(Tree::Plain, |value| self.tree(value)))
                }
            });
        }
        if spread {
            Tree::Spread(all)
        } else {
            Tree::List(all.into_iter().map(|(_, value)| value).collect())
        }
    }

    fn object(&mut self, object: &ObjectExpression<'_>) -> Tree {
        let mut entries = Vec::new();
        for property in &object.properties {
            match property {
                ObjectPropertyKind::ObjectProperty(property) => {
                    let key = self.key(&property.key, property.computed);
                    entries.push((Some(key), self.tree(&property.value)));
                }
                ObjectPropertyKind::SpreadProperty(spread) => {
                    entries.push((None, self.tree(&spread.argument)));
                }
            }
        }
        Tree::Map(entries)
    }

    /// The name of a property.
    fn key(&mut self, key: &PropertyKey<'_>, computed: bool) -> Tree {
        match key {
            PropertyKey::StaticIdentifier(name) => Tree::Text(name.name.to_string()),
            PropertyKey::PrivateIdentifier(name) => Tree::Text(format!("#{}", name.name)),
            PropertyKey::StringLiteral(text) => Tree::Text(text.value.to_string()),
            PropertyKey::NumericLiteral(number) if !computed => {
                whole(number.value).map_or(Tree::Plain, |number| Tree::Text(number.to_string()))
            }
            other => other.as_expression().map_or(Tree::Plain, |key| self.tree(key)),
        }
    }

    fn template(&mut self, template: &TemplateLiteral<'_>) -> Tree {
        let mut parts = Vec::new();
        let mut expressions = template.expressions.iter();
        for quasi in &template.quasis {
            match (&quasi.value.cooked, quasi.lone_surrogates) {
                (Some(text), false) if template.expressions.is_empty() => {
                    return self.text(text);
                }
                (Some(text), false) => parts.push(Tree::Text(text.to_string())),
                (_, _) => parts.push(unknown()),
            }
            parts.extend(expressions.next().map(|expression| self.tree(expression)));
        }
        Tree::Glued(parts)
    }

    /// `tag`…``: a tag that hands the text on gets it whole, any other the pieces as a list.
    fn tagged(&mut self, tagged: &TaggedTemplateExpression<'_>) -> Tree {
        let callee = self.tree(&tagged.tag);
        let last = match &tagged.tag {
            Expression::Identifier(name) => name.name.as_str(),
            Expression::StaticMemberExpression(member) => member.property.name.as_str(),
            _ => "",
        };
        let mut args = match last {
            "raw" => {
                let mut parts = Vec::new();
                let mut expressions = tagged.quasi.expressions.iter();
                for quasi in &tagged.quasi.quasis {
                    parts.push(Tree::Text(quasi.value.raw.to_string()));
                    parts.extend(expressions.next().map(|expression| self.tree(expression)));
                }
                vec![Arg::plain(Tree::Glued(parts))]
            }
            "$" | "execa" | "execaCommand" => vec![Arg::plain(self.template(&tagged.quasi))],
            _ => {
                let cooked = tagged.quasi.quasis.iter().map(|quasi| match &quasi.value.cooked {
                    Some(text) => Tree::Text(text.to_string()),
                    None => Tree::Plain,
                });
                let pieces = Tree::List(cooked.collect());
                let mut args = vec![Arg::plain(pieces)];
                args.extend(self.trees(&tagged.quasi.expressions).into_iter().map(Arg::plain));
                args
            }
        };
        args.truncate(64);
        Tree::Call(Box::new(Call { callee, args, at: at(tagged.span()) }))
    }

    fn assignment(&mut self, assign: &AssignmentExpression<'_>) -> Tree {
        let value = self.tree(&assign.right);
        let Some(simple) = assign.left.as_simple_assignment_target() else {
            let mut out = Vec::new();
            self.taken_apart(&assign.left, value, &mut out);
            return Tree::After(out, Box::new(Tree::Plain));
        };
        if assign.operator == AssignmentOperator::Assign {
            return self.kept(simple, value);
        }
        let old = self.read_target(simple);
        let whole = match assign.operator {
            AssignmentOperator::Addition => Tree::Add(Box::new(old), Box::new(value)),
            AssignmentOperator::LogicalAnd
            | AssignmentOperator::LogicalOr
            | AssignmentOperator::LogicalNullish => Tree::Either(vec![old, value]),
            _ => Tree::Told(vec![old, value]),
        };
        self.kept(simple, whole)
    }

    /// What a target holds before it is assigned to.
    fn read_target(&mut self, target: &SimpleAssignmentTarget<'_>) -> Tree {
        match target {
            SimpleAssignmentTarget::AssignmentTargetIdentifier(name) => self.name(&name.name),
            other => match (other.as_member_expression(), other.get_expression()) {
                (Some(member), _) => self.member_of(member),
                (None, Some(inner)) => self.tree(inner),
                (None, None) => unknown(),
            },
        }
    }

    fn member_of(&mut self, member: &MemberExpression<'_>) -> Tree {
        match member {
            MemberExpression::ComputedMemberExpression(member) => self.computed(member),
            MemberExpression::StaticMemberExpression(member) => self.member(member),
            MemberExpression::PrivateFieldExpression(member) => self.private(member),
        }
    }

    /// A value kept under a name, an attribute or an element.
    fn kept(&mut self, target: &SimpleAssignmentTarget<'_>, value: Tree) -> Tree {
        let target = match self.read_target(target) {
            Tree::Name(name) => Target::Name(name),
            Tree::Member(object, name) => Target::Member(Rc::new(*object), name),
            Tree::Index(object, index) => {
                Target::Element(Rc::new(Tree::Mixed(vec![*object, *index])))
            }
            other => Target::Element(Rc::new(other)),
        };
        Tree::Assign(Box::new(target), Box::new(value))
    }

    fn element(&mut self, element: &JSXElement<'_>) -> Tree {
        let mut parts = Vec::new();
        for attribute in &element.opening_element.attributes {
            match attribute {
                JSXAttributeItem::SpreadAttribute(spread) => {
                    parts.push(self.tree(&spread.argument));
                }
                JSXAttributeItem::Attribute(attribute) => match &attribute.value {
                    Some(JSXAttributeValue::ExpressionContainer(inner)) => {
                        let inner = inner.expression.as_expression();
                        parts.extend(inner.map(|inner| self.tree(inner)));
                    }
                    Some(JSXAttributeValue::Element(inner)) => parts.push(self.nested(inner)),
                    Some(JSXAttributeValue::Fragment(inner)) => {
                        parts.push(self.children(&inner.children));
                    }
                    Some(JSXAttributeValue::StringLiteral(_)) | None => {}
                },
            }
        }
        parts.push(self.children(&element.children));
        Tree::Mixed(parts)
    }

    /// An element inside another, which is one level deeper.
    fn nested(&mut self, element: &JSXElement<'_>) -> Tree {
        self.depth += 1;
        self.too_deep |= self.depth > MAX_DEPTH;
        let tree = if self.too_deep { Tree::Plain } else { self.element(element) };
        self.depth -= 1;
        tree
    }

    fn children(&mut self, children: &[JSXChild<'_>]) -> Tree {
        self.depth += 1;
        self.too_deep |= self.depth > MAX_DEPTH;
        let mut parts = Vec::new();
        for child in children {
            if self.too_deep {
                break;
            }
            match child {
                JSXChild::Text(_) => {}
                JSXChild::Element(inner) => parts.push(self.nested(inner)),
                JSXChild::Fragment(inner) => parts.push(self.children(&inner.children)),
                JSXChild::ExpressionContainer(inner) => {
                    let inner = inner.expression.as_expression();
                    parts.extend(inner.map(|inner| self.tree(inner)));
                }
                JSXChild::Spread(inner) => parts.push(self.tree(&inner.expression)),
            }
        }
        self.depth -= 1;
        Tree::Mixed(parts)
    }
}

fn at(span: oxc_span::Span) -> (usize, usize) {
    (span.start as usize, span.end as usize)
}

/// The greatest number of which every smaller whole one is told exactly.
const MOST_EXACT: f64 = 9_007_199_254_740_991.0;

fn whole(number: f64) -> Option<i64> {
    // The cast is exact within these bounds.
    (number.fract() == 0.0 && number.abs() <= MOST_EXACT).then_some(number as i64)
}
