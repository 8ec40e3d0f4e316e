//! People who are in more than one chat: an admin who links their numbers says that they are one
//! person, and then each may do what any of them may.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use gatepost_domain::principal::Platform;
use gatepost_domain::principal::Principal;

use crate::config::schema::File;
use crate::failure::Failure;

/// Who may do what in one chat, by its numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Roles {
    pub(crate) requesters: Vec<u64>,
    pub(crate) approvers: Vec<u64>,
    pub(crate) admins: Vec<u64>,
    /// Who somebody is in the other chat.
    pub(crate) linked: BTreeMap<u64, Principal>,
}

/// Who may do what on Telegram and on Discord, links included.
pub(crate) fn roles(file: &File) -> Result<(Roles, Roles), Failure> {
    let mut links = Vec::new();
    let (mut telegrams, mut discords) = (BTreeSet::new(), BTreeSet::new());
    for (name, person) in &file.people {
        let (Some(telegram), Some(discord)) = (person.telegram, person.discord) else {
            return Err(Failure::new(format!("`people.{name}` links nothing"))
                .hint("give the number on Telegram and the one on Discord, or take it out"));
        };
        if !telegrams.insert(telegram) || !discords.insert(discord) {
            return Err(Failure::new(format!("`people.{name}` has a number of somebody else"))
                .hint("each number belongs to one person"));
        }
        links.push((telegram, discord));
    }
    let (telegram, discord) = (&file.telegram, &file.discord);
    let both = |left: &[u64], right: &[u64]| {
        let with = |mine: &[u64], theirs: &[u64], links: &[(u64, u64)]| {
            let linked = links.iter().filter(|(_, there)| theirs.contains(there));
            let all: BTreeSet<_> =
                mine.iter().copied().chain(linked.map(|(here, _)| *here)).collect();
            all.into_iter().collect::<Vec<_>>()
        };
        let turned: Vec<_> = links.iter().map(|(left, right)| (*right, *left)).collect();
        (with(left, right, &links), with(right, left, &turned))
    };
    let requesters = both(&telegram.requesters, &discord.requesters);
    let approvers = both(&telegram.approvers, &discord.approvers);
    let admins = both(&telegram.admins, &discord.admins);
    let there = |platform, id: u64| Principal { platform, id: id.to_string() };
    let on_discord = |(here, id): &(u64, u64)| (*here, there(Platform::Discord, *id));
    let on_telegram = |(id, here): &(u64, u64)| (*here, there(Platform::Telegram, *id));
    Ok((
        Roles {
            requesters: requesters.0,
            approvers: approvers.0,
            admins: admins.0,
            linked: links.iter().map(on_discord).collect(),
        },
        Roles {
            requesters: requesters.1,
            approvers: approvers.1,
            admins: admins.1,
            linked: links.iter().map(on_telegram).collect(),
        },
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(people: &str) -> Result<(Roles, Roles), Failure> {
        let text = format!(
            "[telegram]\nrequesters = [1, 2]\n[discord]\napprovers = [11]\nadmins = [12]\n{people}"
        );
        roles(&toml::from_str(&text).unwrap())
    }

    #[test]
    fn whoever_is_linked_may_do_the_same_in_both_chats_and_nobody_else_may() {
        let (telegram, discord) = read("[people.ann]\ntelegram = 1\ndiscord = 11\n").unwrap();
        assert_eq!((telegram.requesters, telegram.approvers), (vec![1, 2], vec![1]));
        assert_eq!((discord.requesters, discord.approvers), (vec![11], vec![11]));
        assert_eq!((telegram.admins, discord.admins), (vec![], vec![12]));
        let there = Principal { platform: Platform::Telegram, id: "1".into() };
        assert_eq!(discord.linked, BTreeMap::from([(11, there)]));
        assert_eq!(telegram.linked.keys().copied().collect::<Vec<_>>(), [1]);
        let (telegram, discord) = read("").unwrap();
        assert!(telegram.approvers.is_empty() && discord.requesters.is_empty());
    }

    #[test]
    fn a_link_of_one_number_or_to_two_people_is_refused() {
        let half = "[people.ann]\ntelegram = 1\n";
        let twice = "[people.ann]\ntelegram = 1\ndiscord = 11\n\
                     [people.bob]\ntelegram = 1\ndiscord = 12\n";
        for wrong in [half, twice] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
