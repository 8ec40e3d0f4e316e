//! A conversation with a model, the same for every provider.

use gatepost_domain::Usage;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;

/// One request for the model's next turn.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Request {
    /// What the model is told to be; the same in every turn, so that it can be cached.
    pub system: String,
    /// The conversation so far, in order.
    pub messages: Vec<Message>,
    /// What it may call.
    pub tools: Vec<Tool>,
    /// The most tokens of the answer; the endpoint's own limit when left out.
    pub max_output: Option<u64>,
}

/// One message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "role", deny_unknown_fields)]
pub enum Message {
    /// Words to the model.
    Person {
        /// The words.
        text: String,
    },
    /// What the model said.
    Model {
        /// Its parts, in order.
        said: Vec<Said>,
    },
    /// What came of the calls of the message before.
    Results {
        /// One for each call.
        results: Vec<ToolResult>,
    },
}

/// One part of what a model said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "part", deny_unknown_fields)]
pub enum Said {
    /// Text.
    Text {
        /// The words.
        text: String,
    },
    /// It wants a tool called.
    Call(ToolCall),
    /// Something that only the provider understands and wants back as it was, such as sealed
    /// thinking.
    Sealed {
        /// As it came.
        item: Value,
    },
}

/// A call of a tool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    /// The provider's name for this call.
    pub id: String,
    /// The tool.
    pub name: String,
    /// Its input; none where what the model wrote is no JSON object.
    pub input: Option<Value>,
}

/// What came of a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolResult {
    /// The call.
    pub id: String,
    /// What it gave, or why it did not run.
    pub content: String,
    /// Whether it failed or was refused.
    pub is_error: bool,
}

/// A tool that a model may call.
#[derive(Debug, Clone, PartialEq)]
pub struct Tool {
    /// Its name: letters, digits, `_` and `-`.
    pub name: &'static str,
    /// What it does, for the model.
    pub description: &'static str,
    /// The JSON schema of its input.
    pub schema: Value,
}

/// What a turn yields, in order. Calls come with the end alone: nobody acts on half of an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    /// More text.
    Text(String),
    /// The whole answer; nothing follows.
    End(Reply),
}

/// A whole answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// Its parts, in order.
    pub said: Vec<Said>,
    /// What it used.
    pub usage: Usage,
    /// Why it ended.
    pub stop: Stop,
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// The model was done, or waits for its calls.
    Done,
    /// It reached its greatest length; what it says last may be cut off.
    Length,
    /// The provider or the model would not answer.
    Refused,
}

impl Reply {
    /// All of its text.
    #[must_use]
    pub fn text(&self) -> String {
        let texts = self.said.iter().filter_map(|said| match said {
            Said::Text { text } => Some(text.as_str()),
            Said::Call(_) | Said::Sealed { .. } => None,
        });
        texts.collect::<Vec<_>>().join("\n")
    }

    /// Its calls, in order.
    pub fn calls(&self) -> impl Iterator<Item = &ToolCall> {
        self.said.iter().filter_map(|said| match said {
            Said::Call(call) => Some(call),
            Said::Text { .. } | Said::Sealed { .. } => None,
        })
    }
}
