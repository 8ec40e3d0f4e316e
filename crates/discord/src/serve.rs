//! Starting the adapter: who the bot is, what people are offered, then gateway, front and desk.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use gatepost_chat::pairing::Code;
use gatepost_chat::port::Hub;
use gatepost_desk::Bot;
use gatepost_desk::Groups;
use gatepost_desk::Parts;
use gatepost_desk::settings::Beginning;
use gatepost_desk::settings::Sources;
use gatepost_domain::chat::ChatNote;
use gatepost_domain::principal::Platform;
use tokio::sync::mpsc;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::api::AddressError;
use crate::api::Api;
use crate::api::Application;
use crate::api::Fault;
use crate::api::Intents;
use crate::clicks::Clicks;
use crate::commands;
use crate::front::Front;
use crate::front::Missed;
use crate::front::Recent;
use crate::front::UnderWay;
use crate::gateway;
use crate::gateway::Listening;
use crate::groups::Belonging;
use crate::inbound::Me;
use crate::memory::Keeper;
use crate::probe::Identity;
use crate::rooms::Rooms;
use crate::settings::Settings;
use crate::status::Health;
use crate::status::Status;
use crate::status::Teller;
use crate::surface;
use crate::surface::Discord;
use crate::wire::Id;

/// What waits for the desk. It is handed over one at a time, so this stays small.
const INBOX: usize = 16;

/// What waits while a gap is filled. Beyond it the session is begun anew, and nothing is lost.
const NEWS: usize = 2000;

/// Presses that wait to be looked at; each is at once.
const CLICKS: usize = 500;

/// How often the start is tried again when Discord cannot be reached.
const RETRY: Duration = Duration::from_secs(3);

/// A running adapter.
#[derive(Debug)]
pub struct Service {
    /// How it goes.
    pub status: watch::Receiver<Status>,
    /// The code that makes whoever sends it the first admin; none when there is an admin.
    pub code: Option<Code>,
    /// Who the bot is, once Discord has said so.
    pub identity: watch::Receiver<Option<Identity>>,
}

/// Starts the adapter on `tracker`; it serves until `stop` is cancelled. Discord need not be
/// reachable now: the adapter keeps trying, and everything else works meanwhile.
///
/// # Errors
/// The address of the proxy is none.
pub fn start(
    settings: Settings,
    known: &[ChatNote],
    hub: Arc<dyn Hub>,
    sources: Sources,
    tracker: &TaskTracker,
    stop: CancellationToken,
) -> Result<Service, AddressError> {
    let Settings { token, proxy, guilds, channels, memory, desk } = settings;
    let api = Api::new(token.clone(), proxy.as_deref())?;
    let people = [&desk.requesters, &desk.approvers, &desk.admins];
    let named: BTreeSet<u64> = people.into_iter().flatten().copied().collect();
    let (status, watched) = watch::channel(Status::default());
    let teller = Teller::new(status, Arc::clone(&sources.now));
    let (beginning, code) = Beginning::new(Platform::Discord, desk, known, sources);
    let (who, identity) = watch::channel(None);
    let guilds: BTreeSet<Id> = guilds.into_iter().map(Id).collect();
    let bound: BTreeMap<Id, String> =
        channels.into_iter().map(|(channel, project)| (Id(channel), project)).collect();
    let groups = Belonging::new(named, guilds.clone());
    let service = Service { status: watched.clone(), code, identity };
    let on = tracker.clone();
    tracker.spawn(async move {
        let Some((me, application)) = introduce(&api, &teller, &stop).await else { return };
        who.send_replace(Some(Identity::of(&me, &application)));
        on.spawn(offer(api.clone(), application.id, guilds.clone(), stop.clone()));
        let discord = Discord::new(api.clone());
        let (desk, inbox) = mpsc::channel(INBOX);
        let (news, heard) = mpsc::channel(NEWS);
        let (clicks, clicked) = mpsc::channel(CLICKS);
        let keeper = Keeper::open(memory, teller.now());
        let missed = Missed::since(keeper.last());
        let front = Front {
            api: api.clone(),
            discord: discord.clone(),
            me: me.clone(),
            groups: groups.clone(),
            rooms: Rooms::new(me.id, guilds.clone(), bound.clone()),
            keeper,
            desk: desk.clone(),
            teller: teller.clone(),
            status: watched,
            tracker: on.clone(),
            stop: stop.clone(),
            recent: Recent::default(),
            missed,
            under_way: UnderWay::default(),
            archived: BTreeSet::new(),
        };
        on.spawn(front.serve(heard));
        let presses = Clicks {
            api: api.clone(),
            discord: discord.clone(),
            me: me.clone(),
            groups,
            guilds: Arc::new(guilds),
            bound: Arc::new(bound),
            desk,
            teller: teller.clone(),
            tracker: on.clone(),
            stop: stop.clone(),
        };
        on.spawn(presses.serve(clicked));
        // Without the right to it the gateway says so at once, and it goes on without.
        let intents = Intents::Content;
        let listening = Listening { api, intents, news, clicks, teller, stop: stop.clone() };
        on.spawn(gateway::listen(listening));
        let parts = Parts {
            hub,
            surface: discord,
            traits: surface::traits(),
            bot: Bot { name: me.name, id: me.id.0 },
            groups: Groups::All,
            beginning,
            seed: token.reveal().to_owned(),
            tracker: on.clone(),
            stop,
        };
        gatepost_desk::serve(parts, inbox).await;
    });
    Ok(service)
}

/// Finds out who the bot is.
async fn introduce(
    api: &Api,
    teller: &Teller,
    stop: &CancellationToken,
) -> Option<(Me, Application)> {
    loop {
        let asked = async { Ok::<_, Fault>((api.me().await?, api.application().await?)) };
        let answer = tokio::select! {
            () = stop.cancelled() => return None,
            answer = asked => answer,
        };
        let fault = match answer {
            Ok((user, application)) => {
                return Some((Me { id: user.id, name: user.username }, application));
            }
            Err(fault) => fault,
        };
        tracing::warn!(%fault, "discord does not say who the bot is; it is asked again");
        teller.is(Health::Failing(fault.to_string()));
        let pause = match fault {
            Fault::Pause(pause) => pause,
            // Each of these counts as an invalid request, and only a person can mend it.
            Fault::BadToken => 20 * RETRY,
            _ => RETRY,
        };
        tokio::select! {
            () = stop.cancelled() => return None,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Offers the commands in every server that is listened to. Nothing else waits for it.
async fn offer(api: Api, application: Id, guilds: BTreeSet<Id>, stop: CancellationToken) {
    let commands = commands::all();
    for guild in guilds {
        let offered = tokio::select! {
            () = stop.cancelled() => return,
            offered = api.offer(application, guild, &commands) => offered,
        };
        match offered {
            Ok(()) => tracing::info!(%guild, "the commands are offered"),
            Err(fault) => tracing::warn!(%guild, %fault, "the commands cannot be offered"),
        }
    }
}
