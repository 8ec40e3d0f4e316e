//! Starting the adapter: who the bot is, what people may send it, then poll and desk.

use std::sync::Arc;
use std::time::Duration;

use gatepost_chat::command::MENU;
use gatepost_chat::pairing::Code;
use gatepost_chat::port::Hub;
use gatepost_desk::Bot;
use gatepost_desk::Groups;
use gatepost_desk::Parts;
use gatepost_desk::settings::Beginning;
use gatepost_desk::settings::Sources;
use gatepost_domain::principal::Platform;
use tokio::sync::mpsc;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::api::AddressError;
use crate::api::Api;
use crate::api::Identity;
use crate::api::Trouble;
use crate::numbers;
use crate::poll;
use crate::poll::Polling;
use crate::settings::Settings;
use crate::status::Health;
use crate::status::Status;
use crate::status::Teller;
use crate::surface;
use crate::webhook::Hook;
use crate::webhook::Pushed;
use crate::webhook::WebhookError;

/// Updates wait here for the desk; one at a time is unconfirmed, so this stays small.
const INBOX: usize = 16;

/// How often the start is tried again when Telegram cannot be reached.
const RETRY: Duration = Duration::from_secs(3);

/// A running adapter.
#[derive(Debug)]
pub struct Service {
    /// How it goes.
    pub status: watch::Receiver<Status>,
    /// The code that makes whoever sends it the first admin; none when there is an admin.
    pub code: Option<Code>,
    /// Who the bot is, once Telegram has said so.
    pub identity: watch::Receiver<Option<Identity>>,
}

/// Why the adapter cannot start at all.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address of the server is none.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The webhook cannot be served.
    #[error(transparent)]
    Webhook(#[from] WebhookError),
}

/// Starts the adapter on `tracker`; it serves until `stop` is cancelled. Telegram need not be
/// reachable now: the adapter keeps trying, and everything else works meanwhile.
///
/// # Errors
/// [`StartError`] says what cannot be used.
pub fn start(
    settings: Settings,
    known: &[gatepost_domain::chat::ChatNote],
    hub: Arc<dyn Hub>,
    sources: Sources,
    tracker: &TaskTracker,
    stop: CancellationToken,
) -> Result<Service, StartError> {
    let api = Api::new(settings.token.clone(), settings.address.as_deref())?;
    let draw = Arc::clone(&sources.draw);
    let now = Arc::clone(&sources.now);
    let (beginning, code) = Beginning::new(Platform::Telegram, settings.desk, known, sources);
    let hook = settings.webhook.as_ref().map(|webhook| {
        let fresh = || format!("{:032x}{:032x}", draw(), draw());
        let secret = webhook.secret.clone().unwrap_or_else(fresh);
        Hook::open(&webhook.url, webhook.listen, secret, settings.address.is_some())
    });
    let hook = hook.transpose()?;
    let (status, watched) = watch::channel(Status::default());
    let teller = Teller::new(status, now);
    let (who, identity) = watch::channel(None);
    let threads = beginning.threads();
    let seed = settings.token.reveal().to_owned();
    let on = tracker.clone();
    tracker.spawn(async move {
        let Some(me) = introduce(&api, &teller, hook.is_none(), &stop).await else { return };
        who.send_replace(Some(me.clone()));
        // Where that cannot be asked, tasks live in chains of replies.
        let private_topics = threads && api.has_private_topics().await.unwrap_or(false);
        let (desk, inbox) = mpsc::channel(INBOX);
        let (last, stopped) = (settings.last, stop.clone());
        match hook {
            Some(hook) => {
                let api = api.clone();
                let pushed = Pushed { api, desk, teller, last, stop: stopped };
                on.spawn(hook.serve(pushed));
            }
            None => {
                on.spawn(poll::poll(Polling {
                    token: settings.token.clone(),
                    address: settings.address.clone(),
                    silence: settings.silence,
                    last,
                    desk,
                    teller,
                    stop: stopped,
                }));
            }
        }
        let groups = settings.groups.iter().map(|group| numbers::chat(*group)).collect();
        let parts = Parts {
            hub,
            surface: api,
            traits: surface::traits(private_topics),
            bot: Bot { name: me.name, id: u64::try_from(me.id).unwrap_or_default() },
            groups: Groups::Named(groups),
            beginning,
            seed,
            tracker: on.clone(),
            stop,
        };
        gatepost_desk::serve(parts, inbox).await;
    });
    Ok(Service { status: watched, code, identity })
}

/// Finds out who the bot is, takes its updates back from a webhook and sets its menu. The last two
/// are tried once: the poll says what is wrong with the first, and nothing depends on the second.
async fn introduce(
    api: &Api,
    teller: &Teller,
    polls: bool,
    stop: &CancellationToken,
) -> Option<Identity> {
    let me = loop {
        let answer = tokio::select! {
            () = stop.cancelled() => return None,
            answer = api.me() => answer,
        };
        let trouble = match answer {
            Ok(me) => break me,
            Err(trouble) => trouble,
        };
        tracing::warn!(%trouble, "telegram does not say who the bot is; it is asked again");
        teller.failing(Health::Failing(trouble.to_string()));
        let pause = match trouble {
            Trouble::Pause(pause) => pause,
            _ => RETRY,
        };
        tokio::select! {
            () = stop.cancelled() => return None,
            () = tokio::time::sleep(pause) => {}
        }
    };
    // A webhook that was left over keeps every poll out. Nothing that waits is dropped with it.
    if polls
        && let Ok(webhook) = api.webhook().await
        && !webhook.url.is_empty()
    {
        tracing::warn!(url = %webhook.url, "a webhook was set for this bot; it is taken away");
        if let Err(trouble) = api.drop_webhook().await {
            tracing::warn!(%trouble, "the webhook stays");
        }
    }
    if let Err(trouble) = api.menu(&MENU).await {
        tracing::warn!(%trouble, "the menu of commands could not be set");
    }
    Some(me)
}
