//! The proxy and its ports for one sandbox, from before its start to its end.

use super::allow::AllowList;
use super::proxy::{Egress, EgressLimits};
use super::resolve::Resolve;
use crate::profile::Profile;
use crate::supervisor::Sandbox;
use gatepost_domain::egress::EgressEvent;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// How many things the proxy saw may wait to be read.
const WAITING: usize = 64;

/// What serves one sandbox. Dropping it ends every connection.
#[derive(Debug)]
pub struct Serving {
    proxy: Egress,
    listeners: JoinSet<()>,
}

/// Gives the sandbox its ports and tells the programs inside of them. Where nothing is allowed
/// there is nothing to tell.
pub fn prepare(allow: &AllowList, profile: &mut Profile) {
    if allow.is_empty() {
        return;
    }
    profile.ports.push(super::PROXY_PORT);
    profile.ports.extend(passed_on(allow).into_keys());
    profile.env.extend(super::environment());
}

/// The ports of the sandbox's own loopback that lead to a private address of this machine. Of two
/// addresses with one port only the first has it; the proxy leads to both.
fn passed_on(allow: &AllowList) -> BTreeMap<u16, SocketAddr> {
    let mut ports = BTreeMap::new();
    for at in allow.loopback() {
        ports.entry(at.port()).or_insert(at);
    }
    ports
}

impl Serving {
    /// Serves the ports that [`prepare`] asked for; none when it asked for none. The other half is
    /// what the proxy sees.
    pub fn start(
        allow: &AllowList,
        sandbox: &mut Sandbox,
        resolver: Arc<dyn Resolve>,
        limits: EgressLimits,
    ) -> Option<(Self, mpsc::Receiver<EgressEvent>)> {
        let main = sandbox.take_listener(super::PROXY_PORT)?;
        let (events, seen) = mpsc::channel(WAITING);
        let proxy = Egress::new(allow.clone(), resolver, limits, events);
        let mut listeners = JoinSet::new();
        let serving = proxy.clone();
        listeners.spawn(async move { serving.serve(main).await });
        for (port, to) in passed_on(allow) {
            if let Some(listener) = sandbox.take_listener(port) {
                let serving = proxy.clone();
                listeners.spawn(async move { serving.forward(listener, to).await });
            }
        }
        Some((Self { proxy, listeners }, seen))
    }

    /// Ends every connection and says what passed in all; none when nothing was tried.
    pub async fn end(mut self) -> Option<EgressEvent> {
        self.listeners.shutdown().await;
        self.proxy.total()
    }
}
