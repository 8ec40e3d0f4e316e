//! What the gate found about one action, and the proof that it may run.

use gatepost_domain::action::Action;
use gatepost_domain::action::ActionDigest;
use gatepost_domain::action::BoundFile;
use gatepost_domain::approval::Settlement;
use gatepost_domain::verdict::Clearance;
use gatepost_domain::verdict::Judgement;
use gatepost_domain::verdict::Verdict;

/// A reviewed action that has not been cleared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Review {
    action: Action,
    digest: ActionDigest,
    bound: Vec<BoundFile>,
    judgement: Judgement,
}

/// Proof that the gate cleared this very value. It cannot be copied: one proof, one use.
#[derive(Debug, PartialEq, Eq)]
pub struct Cleared<T> {
    value: T,
    digest: ActionDigest,
    bound: Vec<BoundFile>,
}

impl Review {
    pub(crate) fn new(
        action: Action,
        digest: ActionDigest,
        bound: Vec<BoundFile>,
        judgement: Judgement,
    ) -> Self {
        Self { action, digest, bound, judgement }
    }

    /// The action and its files, to be reviewed anew.
    pub(crate) fn into_parts(self) -> (Action, Vec<BoundFile>) {
        (self.action, self.bound)
    }

    /// The same action with another judgement.
    pub(crate) fn judged(self, judgement: Judgement) -> Self {
        Self { judgement, ..self }
    }

    /// The action.
    #[must_use]
    pub fn action(&self) -> &Action {
        &self.action
    }

    /// The name of exactly this action with exactly these bytes.
    #[must_use]
    pub fn digest(&self) -> &ActionDigest {
        &self.digest
    }

    /// The files whose bytes the digest binds.
    #[must_use]
    pub fn bound(&self) -> &[BoundFile] {
        &self.bound
    }

    /// What the gate says, and why.
    #[must_use]
    pub fn judgement(&self) -> &Judgement {
        &self.judgement
    }

    /// Proof that it may run, where the verdict is `allow`.
    ///
    /// # Errors
    /// The review itself, unchanged, where the verdict is anything else.
    pub fn clear(self) -> Result<Cleared<Action>, Box<Self>> {
        match self.judgement.verdict {
            Verdict::Allow => Ok(self.proof()),
            Verdict::Escalate | Verdict::NoVerdict | Verdict::Deny => Err(Box::new(self)),
        }
    }

    /// Proof from a person's approval. `answered` is the digest the person was shown.
    ///
    /// # Errors
    /// The review itself, unchanged, where the settlement does not approve, was about another
    /// digest, or nobody may clear this action.
    pub fn clear_by(
        self,
        answered: &ActionDigest,
        settlement: &Settlement,
    ) -> Result<Cleared<Action>, Box<Self>> {
        let may = match self.judgement.clearance {
            Clearance::NotNeeded | Clearance::Person => true,
            Clearance::Nobody => false,
        };
        if may && settlement.approves() && *answered == self.digest {
            Ok(self.proof())
        } else {
            Err(Box::new(self))
        }
    }

    /// Proof from a person who made this action of another one and let it run. It holds for exactly
    /// the action they wrote.
    ///
    /// # Errors
    /// The review itself, unchanged, where it is another action, or nobody may clear this one.
    pub fn clear_edited(self, settlement: &Settlement) -> Result<Cleared<Action>, Box<Self>> {
        let may = match self.judgement.clearance {
            Clearance::NotNeeded | Clearance::Person => true,
            Clearance::Nobody => false,
        };
        match settlement {
            Settlement::Edited { action, .. } if may && **action == self.action => Ok(self.proof()),
            Settlement::Edited { .. }
            | Settlement::Person { .. }
            | Settlement::Expired
            | Settlement::Withdrawn => Err(Box::new(self)),
        }
    }

    fn proof(self) -> Cleared<Action> {
        let Self { action, digest, bound, judgement: _ } = self;
        Cleared { value: action, digest, bound }
    }
}

impl<T> Cleared<T> {
    /// What was cleared.
    #[must_use]
    pub fn get(&self) -> &T {
        &self.value
    }

    /// The name of exactly what was cleared.
    #[must_use]
    pub fn digest(&self) -> &ActionDigest {
        &self.digest
    }

    /// The files whose bytes must still be these when it runs.
    #[must_use]
    pub fn bound(&self) -> &[BoundFile] {
        &self.bound
    }

    /// Gives up the proof for what it was about.
    #[must_use]
    pub fn into_inner(self) -> T {
        self.value
    }
}
