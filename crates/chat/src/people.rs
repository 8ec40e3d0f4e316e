//! Who may do what: by the platform's numeric id, never by a name that people choose themselves.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use gatepost_domain::chat::ChatNote;
use gatepost_domain::principal::Platform;
use gatepost_domain::principal::Principal;
use gatepost_domain::principal::Role;
use serde::Deserialize;
use serde::Serialize;

/// How often a stranger gets an answer; after that there is silence, so that nobody can use the
/// bot to make noise or to find out more.
const POLITE: u8 = 2;

/// How many strangers get an answer at all in one life of the process: every answer is a line in
/// the journal, and strangers must not fill a disk.
const STRANGERS: usize = 100;

/// How many strangers are remembered over all lives. Whoever comes after them gets no answer.
const REMEMBERED: usize = 1000;

/// Everybody a platform's chats know, with what they may do.
#[derive(Debug, Clone)]
pub struct People {
    platform: Platform,
    roles: BTreeMap<Principal, BTreeSet<Role>>,
    /// The groups of people that somebody belongs to, where the platform has such.
    groups: BTreeMap<Principal, BTreeSet<Principal>>,
    /// Who somebody here is on other platforms, where an admin has said so.
    links: BTreeMap<Principal, Principal>,
    told: BTreeMap<Principal, u8>,
    answered: usize,
}

/// Where people are asked what a task of a group, or of somebody who is no approver, wants.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Asking {
    /// In the task's own chat.
    #[default]
    Chat,
    /// In each approver's private chat; the task's own chat sees only that somebody is waited for.
    Private,
}

/// Who is asked where.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Audience {
    /// Whether the task's own chat shows its questions.
    pub own: bool,
    /// Whose private chats show them as well.
    pub private: Vec<Principal>,
}

/// What a stranger gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Politeness {
    /// One sentence.
    Answer,
    /// Nothing.
    Silence,
}

impl People {
    /// Nobody yet.
    #[must_use]
    pub fn new(platform: Platform) -> Self {
        Self {
            platform,
            roles: BTreeMap::new(),
            groups: BTreeMap::new(),
            links: BTreeMap::new(),
            told: BTreeMap::new(),
            answered: 0,
        }
    }

    /// Gives people a role, by the platform's own ids.
    pub fn grant(&mut self, role: Role, ids: impl IntoIterator<Item = String>) {
        for id in ids {
            let who = Principal { platform: self.platform, id };
            self.roles.entry(who).or_default().insert(role);
        }
    }

    /// Somebody belongs to these groups of people now, by the platform's own ids, and to no others:
    /// what was granted to a group holds for them.
    pub fn belongs(&mut self, who: &Principal, groups: impl IntoIterator<Item = String>) {
        let groups = groups.into_iter().map(|id| Principal { platform: self.platform, id });
        self.groups.insert(who.clone(), groups.collect());
    }

    /// Somebody here, by the platform's own id, is this one elsewhere: what holds for one holds for
    /// both.
    pub fn link(&mut self, id: String, elsewhere: Principal) {
        self.links.insert(Principal { platform: self.platform, id }, elsewhere);
    }

    /// Who somebody of another platform is here.
    #[must_use]
    pub fn here(&self, elsewhere: &Principal) -> Option<&Principal> {
        self.links.iter().find(|(_, there)| *there == elsewhere).map(|(here, _)| here)
    }

    /// Whether anybody here is somebody on a platform.
    #[must_use]
    pub fn is_linked_to(&self, platform: Platform) -> bool {
        self.links.values().any(|there| there.platform == platform)
    }

    /// Where questions of a task of another platform are shown here as well: to whoever asked for it
    /// there, or where they may not answer, to whoever is linked and may.
    #[must_use]
    pub fn audience_of(&self, requester: &Principal) -> Vec<Principal> {
        match self.here(requester).filter(|here| self.is(here, Role::Approver)) {
            Some(here) => vec![here.clone()],
            None => {
                let linked = self.links.keys();
                linked.filter(|here| self.is(here, Role::Approver)).cloned().collect()
            }
        }
    }

    /// Takes over what was noted, here or on another platform; of others only what concerns somebody
    /// who is linked.
    pub fn recall(&mut self, note: &ChatNote) {
        match note {
            ChatNote::Joined { who, roles, by: _ } => {
                if who.platform == self.platform || self.here(who).is_some() {
                    self.roles.entry(who.clone()).or_default().extend(roles.iter().copied());
                }
            }
            ChatNote::StrangerTold { who } => {
                let told = self.told.entry(who.clone()).or_default();
                *told = told.saturating_add(1);
            }
            ChatNote::Ignored { who, by: _ } => {
                self.told.insert(who.clone(), POLITE);
            }
            ChatNote::Sending { .. }
            | ChatNote::Sent { .. }
            | ChatNote::NotSent { .. }
            | ChatNote::Knocked { .. }
            | ChatNote::CodeVouched { .. }
            | ChatNote::Preferred { .. }
            | ChatNote::Quiet { .. }
            | ChatNote::Final { .. }
            | ChatNote::Listed { .. }
            | ChatNote::ListShown { .. }
            | ChatNote::AlbumPart { .. }
            | ChatNote::AlbumTaken { .. }
            | ChatNote::CodeGiven { .. }
            | ChatNote::AnswerOwed { .. }
            | ChatNote::AnswerSent { .. }
            | ChatNote::DenialBegun { .. }
            | ChatNote::ChatMoved { .. }
            | ChatNote::Held { .. }
            | ChatNote::HeldSettled { .. } => {}
        }
    }

    /// Whether somebody has a role.
    #[must_use]
    pub fn is(&self, who: &Principal, role: Role) -> bool {
        self.granted(who).any(|granted| granted == role)
    }

    /// Whether somebody has any role at all.
    #[must_use]
    pub fn knows(&self, who: &Principal) -> bool {
        self.granted(who).next().is_some()
    }

    /// Whether anybody may let others in.
    #[must_use]
    pub fn has_admin(&self) -> bool {
        self.roles.values().any(|roles| roles.contains(&Role::Admin))
    }

    /// The roles of somebody, in words; empty for a stranger.
    #[must_use]
    pub fn roles(&self, who: &Principal) -> Vec<Role> {
        let roles: BTreeSet<_> = self.granted(who).collect();
        roles.into_iter().collect()
    }

    /// Everybody with a role, as far as they are known.
    pub fn with(&self, role: Role) -> impl Iterator<Item = &Principal> {
        let is_group =
            move |who: &Principal| self.groups.values().any(|groups| groups.contains(who));
        let all: BTreeSet<_> =
            self.roles.keys().chain(self.groups.keys()).chain(self.links.keys()).collect();
        let is_here = move |who: &Principal| who.platform == self.platform && !is_group(who);
        all.into_iter().filter(move |who| self.is(who, role) && is_here(who))
    }

    /// What somebody may do, by themselves, by the groups they belong to and by who they are
    /// elsewhere.
    fn granted<'p>(&'p self, who: &'p Principal) -> impl Iterator<Item = Role> + 'p {
        let groups = self.groups.get(who).into_iter().flatten();
        let own = std::iter::once(who).chain(groups).chain(self.links.get(who));
        own.filter_map(|id| self.roles.get(id)).flatten().copied()
    }

    /// Where questions of a task are shown. `home` is whose private chat the task came in; none
    /// when it came in a group.
    ///
    /// Somebody who is no approver and writes in private would ask nobody but themselves, so the
    /// approvers are asked in their own chats, however it is configured.
    #[must_use]
    pub fn audience(&self, asking: Asking, home: Option<&Principal>) -> Audience {
        let approvers = || self.with(Role::Approver).cloned().collect();
        match (home, asking) {
            (Some(person), _) if self.is(person, Role::Approver) => {
                Audience { own: true, private: Vec::new() }
            }
            (Some(_), Asking::Chat) => Audience { own: true, private: approvers() },
            (None, Asking::Chat) => Audience { own: true, private: Vec::new() },
            (Some(_) | None, Asking::Private) => Audience { own: false, private: approvers() },
        }
    }

    /// What a stranger gets now. Note [`ChatNote::StrangerTold`] before answering.
    #[must_use]
    pub fn politeness(&self, who: &Principal) -> Politeness {
        let told = self.told.get(who).copied().unwrap_or(0);
        let room = told > 0 || self.told.len() < REMEMBERED;
        if told < POLITE && self.answered < STRANGERS && room {
            Politeness::Answer
        } else {
            Politeness::Silence
        }
    }

    /// A stranger was answered.
    pub fn told(&mut self, who: &Principal) {
        self.answered += 1;
        let told = self.told.entry(who.clone()).or_default();
        *told = told.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(id: &str) -> Principal {
        Principal { platform: Platform::Telegram, id: id.into() }
    }

    #[test]
    fn a_role_is_for_one_id_and_nothing_else() {
        let mut people = People::new(Platform::Telegram);
        people.grant(Role::Requester, ["1001".into()]);
        assert!(people.is(&who("1001"), Role::Requester));
        assert!(!people.is(&who("1001"), Role::Approver), "asking is not approving");
        assert!(!people.is(&who("100"), Role::Requester));
        let elsewhere = Principal { platform: Platform::Discord, id: "1001".into() };
        assert!(!people.knows(&elsewhere), "an id holds on its own platform only");
        assert!(!people.has_admin());
    }

    #[test]
    fn what_a_group_may_do_holds_for_whoever_belongs_to_it_now() {
        let mut people = People::new(Platform::Telegram);
        people.grant(Role::Approver, ["1".into(), "900".into()]);
        assert!(!people.knows(&who("2")));
        people.belongs(&who("2"), ["900".into(), "901".into()]);
        assert!(people.is(&who("2"), Role::Approver) && !people.is(&who("2"), Role::Admin));
        assert_eq!(people.roles(&who("2")), [Role::Approver]);
        let approvers: Vec<_> = people.with(Role::Approver).cloned().collect();
        assert_eq!(approvers, [who("1"), who("2")], "a group is nobody to be asked");
        people.belongs(&who("2"), []);
        assert!(!people.knows(&who("2")), "who was taken out has nothing left");
        assert!(people.is(&who("1"), Role::Approver));
    }

    #[test]
    fn whoever_is_linked_may_here_what_they_were_let_in_for_elsewhere_and_is_asked_here_too() {
        let there = |id: &str| Principal { platform: Platform::Discord, id: id.into() };
        let mut people = People::new(Platform::Telegram);
        people.link("1".into(), there("11"));
        people.link("2".into(), there("22"));
        let joined = |who, roles| ChatNote::Joined { who, roles, by: "the terminal".into() };
        people.recall(&joined(there("99"), vec![Role::Admin]));
        assert!(!people.has_admin(), "somebody who is nobody here");
        people.recall(&joined(there("11"), vec![Role::Requester, Role::Approver]));
        people.recall(&joined(there("22"), vec![Role::Requester]));
        assert_eq!(people.roles(&who("1")), [Role::Requester, Role::Approver]);
        assert!(!people.is(&who("2"), Role::Approver));
        let approvers: Vec<_> = people.with(Role::Approver).cloned().collect();
        assert_eq!(approvers, [who("1")], "nobody of another platform is written to here");
        assert_eq!(people.audience_of(&there("11")), [who("1")]);
        assert_eq!(people.audience_of(&there("22")), [who("1")], "they would ask themselves");
        assert_eq!(people.audience_of(&there("99")), [who("1")]);
    }

    #[test]
    fn whoever_may_answer_is_asked_and_a_group_only_where_it_may_read_along() {
        let mut people = People::new(Platform::Telegram);
        people.grant(Role::Approver, ["1".into(), "2".into()]);
        people.grant(Role::Requester, ["1".into(), "3".into()]);
        let both = vec![who("1"), who("2")];
        let cases = [
            (Asking::Chat, None, true, vec![]),
            (Asking::Private, None, false, both.clone()),
            (Asking::Chat, Some("1"), true, vec![]),
            (Asking::Private, Some("1"), true, vec![]),
            (Asking::Chat, Some("3"), true, both.clone()),
            (Asking::Private, Some("3"), false, both),
        ];
        for (asking, home, own, private) in cases {
            let audience = people.audience(asking, home.map(who).as_ref());
            assert_eq!(audience, Audience { own, private }, "{asking:?} {home:?}");
        }
    }

    #[test]
    fn strangers_get_two_answers_over_restarts_and_then_none() {
        let mut people = People::new(Platform::Telegram);
        people.recall(&ChatNote::StrangerTold { who: who("7") });
        assert_eq!(people.politeness(&who("7")), Politeness::Answer);
        people.told(&who("7"));
        assert_eq!(people.politeness(&who("7")), Politeness::Silence);
        for id in 0..STRANGERS {
            people.told(&who(&format!("9{id}")));
        }
        assert_eq!(people.politeness(&who("8")), Politeness::Silence, "a crowd gets no answers");
    }

    #[test]
    fn a_flood_over_many_lives_is_not_remembered_for_ever() {
        let mut notes = Vec::new();
        for life in 0..20 {
            let mut people = People::new(Platform::Telegram);
            notes.iter().for_each(|note| people.recall(note));
            for stranger in 0..2 * STRANGERS {
                let who = who(&format!("{life}00{stranger}"));
                if people.politeness(&who) == Politeness::Answer {
                    people.told(&who);
                    notes.push(ChatNote::StrangerTold { who });
                }
            }
        }
        assert_eq!(notes.len(), REMEMBERED);
    }

    #[test]
    fn whoever_is_ignored_gets_no_answer() {
        let mut people = People::new(Platform::Telegram);
        people.recall(&ChatNote::Ignored { who: who("7"), by: who("1") });
        assert_eq!(people.politeness(&who("7")), Politeness::Silence);
    }
}
