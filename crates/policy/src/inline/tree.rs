//! Code of any language as a small tree: what is left of it when only its effects matter.
//!
//! Python and JavaScript are read by parsers of their own and come down to this; `follow` then
//! goes through it. What a language says and this does not is a [`Tree::Mixed`] of its parts, so
//! that nothing that runs is left out.

use std::rc::Rc;

/// How deep expressions and blocks may stand inside each other before code is not followed.
pub(super) const MAX_DEPTH: usize = 100;

/// An expression.
#[derive(Debug)]
pub(super) enum Tree {
    /// A value that names nothing: a truth value, a fraction, the outcome of a comparison.
    Plain,
    /// A whole number.
    Number(i64),
    /// A text, or bytes that are one.
    Text(String),
    /// A variable, or what the language brings along.
    Name(String),
    /// `a.b`.
    Member(Box<Tree>, String),
    /// `a[b]`.
    Index(Box<Tree>, Box<Tree>),
    /// `a[b:c]`; an end that is left out is none.
    Slice(Box<Tree>, Option<i64>, Option<i64>),
    /// The same, last element first.
    Reversed(Box<Tree>),
    /// A call.
    Call(Box<Call>),
    /// A list, a tuple, a set.
    List(Vec<Tree>),
    /// A list some parts of which, those that are marked, are lists of its elements.
    Spread(Vec<(bool, Tree)>),
    /// A dictionary or an object; an entry without a key is spread into it.
    Map(Vec<(Option<Tree>, Tree)>),
    /// `a + b`.
    Add(Box<Tree>, Box<Tree>),
    /// `a / b`, which joins paths in Python.
    Divide(Box<Tree>, Box<Tree>),
    /// Parts of a text one after another.
    Glued(Vec<Tree>),
    /// One of these.
    Either(Vec<Tree>),
    /// Each of these is looked at; what comes of them is not known.
    Mixed(Vec<Tree>),
    /// Each of these is looked at; what comes of them names nothing.
    Told(Vec<Tree>),
    /// The first of these run before the last, which is what it comes to.
    After(Vec<Tree>, Box<Tree>),
    /// A function without a name.
    Function(Rc<Function>),
    /// The element for each value of the generators.
    Each(Box<Tree>, Vec<(Target, Tree)>),
    /// An assignment inside an expression.
    Assign(Box<Target>, Box<Tree>),
    /// A module, by the name it is brought in under.
    Module(String),
}

/// A call with its arguments.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) callee: Tree,
    pub(super) args: Vec<Argument>,
    /// Where it stands in the source, in bytes.
    pub(super) at: (usize, usize),
}

/// One argument.
#[derive(Debug)]
pub(super) struct Argument {
    /// Its keyword, where the language has them.
    pub(super) name: Option<String>,
    pub(super) value: Tree,
    /// Whether it stands for as many arguments as it holds.
    pub(super) spread: bool,
}

/// What a value is bound to.
#[derive(Debug, Clone)]
pub(super) enum Target {
    /// A variable.
    Name(String),
    /// Variables for the elements, in order.
    List(Vec<Target>),
    /// An attribute, of whatever it is.
    Member(Rc<Tree>, String),
    /// An element.
    Element(Rc<Tree>),
}

/// A function.
#[derive(Debug)]
pub(super) struct Function {
    /// Tells it from every other function of the same code.
    pub(super) id: usize,
    pub(super) name: String,
    pub(super) parameters: Vec<Parameter>,
    pub(super) body: Vec<Step>,
}

/// One parameter.
#[derive(Debug)]
pub(super) struct Parameter {
    pub(super) target: Target,
    /// The keyword it is given by.
    pub(super) name: String,
    pub(super) default: Option<Tree>,
    /// Whether it takes all that is left.
    pub(super) rest: bool,
}

/// A statement.
#[derive(Debug)]
pub(super) enum Step {
    /// An expression by itself.
    Eval(Tree),
    /// An assignment.
    Bind(Target, Tree),
    /// `a += b`.
    Grow(Target, Tree, Tree),
    /// A function with a name.
    Define(Rc<Function>),
    /// A class: its name and what stands in it.
    Class(String, Vec<Step>),
    /// One of these runs.
    Branch(Vec<Vec<Step>>),
    /// The body runs for each value, or as long as something holds.
    Loop(Option<(Target, Tree)>, Vec<Step>),
    /// The function ends with this.
    Return(Tree),
    /// Code whose effect cannot be told, and why.
    Unclear(String),
}

impl Argument {
    /// An argument by its place.
    pub(super) fn plain(value: Tree) -> Self {
        Self { name: None, value, spread: false }
    }
}
