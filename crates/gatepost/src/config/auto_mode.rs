//! `[auto_mode]`: the classifier that weighs what the rules leave open.

use gatepost_gate::NobodyThere;
use gatepost_gate::classifier::Lists;
use gatepost_gate::classifier::Prose;
use gatepost_gate::classifier::ProseError;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;

use super::schema::Period;

/// The entry that stands for Gatepost's own list.
const OWN: &str = "$defaults";

/// A language model that weighs what the rules leave open, in the modes `auto` and `unattended`.
/// Without a model people are asked. A rule of yours that asks is always asked of people.
///
/// The lists are policy in words. An entry reads `name: text`; one of `soft_deny` may end in
/// `[must name: what]`, which the person must then have named in their own words. `"$defaults"` in
/// a list stands for Gatepost's own, which `gatepost auto-mode defaults` prints; a list without it
/// takes their place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct AutoMode {
    /// The model, by its name in `[models]`. Better another one than the agent's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"judge")]
    pub(crate) model: Option<String>,
    /// A second one, asked where the first has no verdict to give.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"judge-2")]
    pub(crate) second_model: Option<String>,
    /// A model that reads what tools return, where Gatepost's own rules find nothing in it, before
    /// the agent does; in every mode. It is shown results with their secrets masked.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"judge")]
    pub(crate) scan_model: Option<String>,
    /// How long one question may take, retries included, before a person is asked instead, or a
    /// result counts as not read.
    pub(crate) timeout: Period,
    /// What becomes of a question in the mode `unattended`: `deny` refuses it, `ask` lets it wait
    /// for a person.
    pub(crate) unattended: Unattended,
    /// What the classifier should know of where it judges: trusted hosts, who owns what.
    pub(crate) environment: Vec<String>,
    /// What is fine though a rule may seem to forbid it.
    pub(crate) allow: Vec<String>,
    /// What needs the person's own word.
    pub(crate) soft_deny: Vec<String>,
    /// What nobody's word clears.
    pub(crate) hard_deny: Vec<String>,
}

/// What becomes of a question where nobody is there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Unattended {
    /// It is refused.
    #[default]
    Deny,
    /// It waits for a person.
    Ask,
}

impl Default for AutoMode {
    fn default() -> Self {
        let own = || vec![OWN.to_owned()];
        Self {
            model: None,
            second_model: None,
            scan_model: None,
            // Two steps of a few seconds each, and a retry (the published slow path takes 3 to 5).
            timeout: Period(std::time::Duration::from_secs(30)),
            unattended: Unattended::default(),
            environment: own(),
            allow: own(),
            soft_deny: own(),
            hard_deny: own(),
        }
    }
}

impl AutoMode {
    /// The policy in words.
    ///
    /// # Errors
    /// A list cannot be used.
    pub(crate) fn prose(&self) -> Result<Prose, ProseError> {
        Prose::new(&Lists {
            environment: self.environment.clone(),
            allow: self.allow.clone(),
            soft_deny: self.soft_deny.clone(),
            hard_deny: self.hard_deny.clone(),
        })
    }

    /// The same for the gate.
    pub(crate) fn nobody_there(&self) -> NobodyThere {
        match self.unattended {
            Unattended::Deny => NobodyThere::Deny,
            Unattended::Ask => NobodyThere::Ask,
        }
    }
}
