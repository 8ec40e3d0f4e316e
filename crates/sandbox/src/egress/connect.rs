//! From a target to a connection: checked, looked up once, the address checked, connected to.

use super::allow::AllowList;
use super::refusal::{Failure, Refusal};
use super::resolve::Resolve;
use super::target::{Host, Target};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;

/// Why there is no connection.
#[derive(Debug)]
pub(super) enum NoWay {
    Refused(Refusal),
    Failed(Failure),
}

impl From<Refusal> for NoWay {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// How many addresses of one name are tried.
const TRIED: usize = 4;

/// Connects. The name is looked up once, and only what was looked at is connected to.
pub(super) async fn connect(
    allow: &AllowList,
    resolver: &dyn Resolve,
    target: &Target,
    patience: Duration,
) -> Result<TcpStream, NoWay> {
    allow.check(target)?;
    let found = match &target.host {
        Host::Ip(address) => vec![*address],
        Host::Name(name) => tokio::time::timeout(patience, resolver.resolve(name))
            .await
            .map_or_else(|_| Vec::new(), Result::unwrap_or_default),
    };
    let mut open: Vec<SocketAddr> = Vec::new();
    let mut refused = None;
    for address in found {
        match allow.check_address(target, address) {
            Ok(at) => open.push(at),
            Err(refusal) => refused = Some(refusal),
        }
    }
    let mut why = match (open.is_empty(), refused) {
        (true, Some(refusal)) => return Err(refusal.into()),
        (true, None) => return Err(NoWay::Failed(Failure::Unresolved)),
        (false, _) => "no answer in time".to_owned(),
    };
    for at in open.into_iter().take(TRIED) {
        match tokio::time::timeout(patience, TcpStream::connect(at)).await {
            Ok(Ok(stream)) => {
                // Whatever the address is, it is one of this machine's own when both ends have it.
                let own = stream.local_addr().is_ok_and(|local| local.ip() == at.ip());
                if own && !allow.is_private(at) {
                    return Err(Refusal::OwnAddress.into());
                }
                // Small requests should not wait for company; failing changes nothing but speed.
                let _delay = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Err(error)) => why = error.kind().to_string(),
            Err(_) => {}
        }
    }
    Err(NoWay::Failed(Failure::Unreachable(why)))
}
