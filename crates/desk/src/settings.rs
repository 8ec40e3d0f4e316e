//! What a desk is told once, at its start.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use gatepost_chat::pairing::Code;
use gatepost_chat::pairing::Pairing;
use gatepost_chat::people::Asking;
use gatepost_chat::people::People;
use gatepost_chat::quiet::Hours;
use gatepost_chat::quiet::Quiet;
use gatepost_domain::chat::ChatNote;
use gatepost_domain::principal::Platform;
use gatepost_domain::principal::Principal;
use gatepost_domain::principal::Role;
use jiff::Timestamp;
use jiff::tz::Offset;

use crate::transcribe::Transcriber;

/// What a desk is told once, at its start, whatever its platform.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Who may hand over tasks, by the platform's number of them.
    pub requesters: Vec<u64>,
    /// Who may answer questions and apply changes.
    pub approvers: Vec<u64>,
    /// Who may let others in.
    pub admins: Vec<u64>,
    /// Who somebody is on another platform, by the number here.
    pub linked: BTreeMap<u64, Principal>,
    /// The largest file that is taken, in bytes; never more than the platform lets a bot fetch.
    pub max_file: u64,
    /// What turns voice notes into words; without it they are declined.
    pub transcriber: Option<Transcriber>,
    /// Whether each task gets a thread where the chat has threads.
    pub threads: bool,
    /// Where questions of groups are asked.
    pub asking: Asking,
    /// Whose private chat does not ring when, until they say otherwise.
    pub quiet: BTreeMap<u64, Quiet>,
    /// What makes whoever sends it the first admin; a fresh one when left out.
    pub code: Option<Code>,
    /// How long a message may have waited and still be run without another word.
    pub hold_after: Duration,
}

/// Where a desk gets the time and random bits from.
#[derive(Clone)]
pub struct Sources {
    /// The time of day.
    pub now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// How far readers are from UTC at a time. Platforms do not say where their readers are, so it
    /// is taken for where Gatepost runs.
    pub offset: Arc<dyn Fn(Timestamp) -> Offset + Send + Sync>,
    /// 128 fresh bits that nobody can guess.
    pub draw: Arc<dyn Fn() -> u128 + Send + Sync>,
}

/// What a desk begins with.
#[derive(Debug)]
pub struct Beginning {
    pub(crate) people: People,
    pub(crate) hours: Hours,
    pub(crate) pairing: Pairing,
    pub(crate) asking: Asking,
    pub(crate) hold_after: Duration,
    pub(crate) max_file: u64,
    pub(crate) transcriber: Option<Transcriber>,
    pub(crate) threads: bool,
    pub(crate) sources: Sources,
}

impl Beginning {
    /// Puts it together from what is configured and what was noted, here and on other platforms. The
    /// code makes whoever
    /// sends it the first admin; there is none where there is an admin, or where somebody has said
    /// who may do what.
    #[must_use]
    pub fn new(
        platform: Platform,
        settings: Settings,
        known: &[ChatNote],
        sources: Sources,
    ) -> (Self, Option<Code>) {
        let Settings {
            requesters,
            approvers,
            admins,
            linked,
            max_file,
            transcriber,
            threads,
            asking,
            quiet,
            code,
            hold_after,
        } = settings;
        // Whoever has named requesters or approvers has said who may do what.
        let named = !requesters.is_empty() || !approvers.is_empty();
        let mut people = People::new(platform);
        let roles =
            [(Role::Requester, requesters), (Role::Approver, approvers), (Role::Admin, admins)];
        for (role, ids) in roles {
            people.grant(role, ids.iter().map(u64::to_string));
        }
        for (id, elsewhere) in linked {
            people.link(id.to_string(), elsewhere);
        }
        let mut with_joined = people.clone();
        for note in known {
            with_joined.recall(note);
        }
        let mut hours = Hours::default();
        for (id, quiet) in quiet {
            hours.configure(Principal { platform, id: id.to_string() }, quiet);
        }
        let mut pairing = Pairing::default();
        let code = (!with_joined.has_admin() && !named)
            .then(|| code.unwrap_or_else(|| Code::from_entropy((sources.draw)())));
        if let Some(code) = &code {
            pairing.open(code.clone());
        }
        let beginning = Self {
            people,
            hours,
            pairing,
            asking,
            hold_after,
            max_file,
            transcriber,
            threads,
            sources,
        };
        (beginning, code)
    }

    /// Whether tasks get threads.
    #[must_use]
    pub fn threads(&self) -> bool {
        self.threads
    }
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources").finish_non_exhaustive()
    }
}
