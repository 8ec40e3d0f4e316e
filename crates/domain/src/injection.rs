//! What a tool's result holds that speaks to the agent instead of telling it something.

use serde::Deserialize;
use serde::Serialize;

/// A place of a result that may be an injected instruction.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Injection {
    /// What it does.
    pub trick: Trick,
    /// The words themselves, cut, with what is invisible in them written out; nothing where there
    /// are none to show. Of what was not looked at: why.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub span: String,
}

/// The ways in which a result may reach for the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trick {
    /// It gives the agent orders.
    Order,
    /// It poses as a turn of the conversation.
    Turn,
    /// It holds characters that a person does not see.
    Hidden,
    /// It holds orders in an encoding.
    Encoded,
    /// A language model says that it gives orders.
    Judged,
    /// The language model that was to look at it gave no answer, or did not see all of it.
    Unchecked,
}

impl Trick {
    /// What the result does, as the end of a sentence that begins with "it".
    #[must_use]
    pub fn does(self) -> &'static str {
        match self {
            Self::Order => "gives orders to the agent",
            Self::Turn => "poses as a turn of the conversation",
            Self::Hidden => "holds characters that nobody sees",
            Self::Encoded => "holds orders to the agent in an encoding",
            Self::Judged => "gives orders to the agent, as a model says that looked at it",
            Self::Unchecked => "was not looked at whole by the model that is set up for it",
        }
    }

    /// Whether it makes the run suspect. What was not looked at is fenced and accuses nobody.
    #[must_use]
    pub fn is_suspect(self) -> bool {
        match self {
            Self::Order | Self::Turn | Self::Hidden | Self::Encoded | Self::Judged => true,
            Self::Unchecked => false,
        }
    }
}

impl Injection {
    /// In words: `it gives orders to the agent (“ignore all previous instructions”)`.
    #[must_use]
    pub fn words(&self) -> String {
        let does = self.trick.does();
        match self.trick {
            _ if self.span.is_empty() => format!("it {does}"),
            Trick::Unchecked => format!("it {does}: {}", self.span),
            Trick::Order | Trick::Turn | Trick::Hidden | Trick::Encoded | Trick::Judged => {
                format!("it {does} (“{}”)", self.span)
            }
        }
    }
}
