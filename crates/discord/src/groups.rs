//! The roles of servers that are named among the people: what holds for a role holds for whoever has
//! it now.
//!
//! Discord tells somebody's roles with what they do in a server. In private, and in what is fetched
//! later, it does not; there they are asked for, and where that fails nobody has any.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use gatepost_desk::inbound::Inbound;

use crate::api::Api;
use crate::wire::Id;
use crate::wire::Member;
use crate::wire::Role;

/// How many people are remembered; whoever is forgotten is told of again.
const PEOPLE: usize = 10_000;

/// Who has which of the roles that are named. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Belonging {
    /// Every number that is named as a person or a role; which it is only Discord knows.
    named: Arc<BTreeSet<u64>>,
    guilds: Arc<BTreeSet<Id>>,
    /// Locked for a look and never over a wait: messages and presses are heard side by side.
    known: Arc<Mutex<Known>>,
}

#[derive(Debug, Default)]
struct Known {
    /// Roles that are named.
    roles: BTreeSet<u64>,
    /// What somebody has, server by server.
    people: BTreeMap<u64, BTreeMap<Id, BTreeSet<u64>>>,
}

impl Belonging {
    pub(crate) fn new(named: BTreeSet<u64>, guilds: BTreeSet<Id>) -> Self {
        Self { named: Arc::new(named), guilds: Arc::new(guilds), known: Arc::default() }
    }

    /// Takes the roles that a server has.
    pub(crate) fn hear(&self, roles: &[Role]) {
        let named = roles.iter().map(|role| role.id.0).filter(|role| self.named.contains(role));
        self.known().roles.extend(named);
    }

    /// What the desk must hear of somebody before it hears what they do; none where it knows.
    pub(crate) async fn of(
        &self,
        api: &Api,
        who: Id,
        guild: Option<Id>,
        member: Option<&Member>,
    ) -> Option<Inbound> {
        if let (Some(guild), Some(member)) = (guild, member) {
            return self.changed(who.0, [(guild, member.roles.clone())].into());
        }
        if self.known().roles.is_empty() {
            return None;
        }
        let mut has = BTreeMap::new();
        for guild in self.guilds.iter() {
            let roles = match api.member(*guild, who).await {
                Ok(member) => member.roles,
                Err(fault) => {
                    tracing::debug!(%guild, %fault, "nobody knows somebody's roles in a server");
                    Vec::new()
                }
            };
            has.insert(*guild, roles);
        }
        self.changed(who.0, has)
    }

    fn changed(&self, who: u64, has: BTreeMap<Id, Vec<Id>>) -> Option<Inbound> {
        let mut known = self.known();
        if known.people.len() > PEOPLE {
            known.people.clear();
        }
        let person = known.people.entry(who).or_default();
        let all = |person: &BTreeMap<Id, BTreeSet<u64>>| -> BTreeSet<u64> {
            person.values().flatten().copied().collect()
        };
        let before = all(person);
        for (guild, roles) in has {
            let named = roles.into_iter().map(|role| role.0);
            person.insert(guild, named.filter(|role| self.named.contains(role)).collect());
        }
        let now = all(person);
        (now != before).then(|| Inbound::Belongs { who, groups: now.into_iter().collect() })
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_named_roles_count_and_only_changes_are_told() {
        let groups = Belonging::new([5001, 5002].into(), [Id(1), Id(2)].into());
        let has = |guild, roles: &[u64]| {
            groups.changed(7, [(Id(guild), roles.iter().map(|role| Id(*role)).collect())].into())
        };
        let belongs = |all: &[u64]| Some(Inbound::Belongs { who: 7, groups: all.into() });
        assert_eq!(has(1, &[9]), None);
        assert_eq!(has(1, &[9, 5001]), belongs(&[5001]));
        assert_eq!(has(1, &[5001]), None);
        assert_eq!(has(2, &[5002]), belongs(&[5001, 5002]), "another server takes nothing away");
        assert_eq!(has(1, &[]), belongs(&[5002]));
    }

    #[tokio::test]
    async fn where_no_role_is_named_nobody_is_asked() {
        let token = crate::Token::parse("700.abc.SECRETSECRET").unwrap();
        let api = Api::new(token, Some("http://127.0.0.1:1")).unwrap();
        let groups = Belonging::new([2001].into(), [Id(1)].into());
        groups.hear(&[Role { id: Id(5001) }]);
        assert_eq!(groups.of(&api, Id(7), None, None).await, None);
    }
}
