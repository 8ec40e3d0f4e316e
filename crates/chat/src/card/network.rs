//! What passed over the network, in words.

use gatepost_domain::egress::EgressEvent;
use gatepost_domain::summary::Network;

use super::Tone;
use super::result::Row;
use crate::visible::prose;
use crate::visible::visible;

/// What the egress proxy saw, in a line; none where the summary says it better.
#[must_use]
pub fn words(event: &EgressEvent) -> Option<(String, Tone)> {
    let place = |host: &str, port: u16| {
        let port = if port == 0 { String::new() } else { format!(":{port}") };
        format!("{}{port}", visible(host))
    };
    match event {
        EgressEvent::Connected { host, port } => {
            Some((format!("connected to {}", place(host, *port)), Tone::Quiet))
        }
        EgressEvent::Refused { host, port, reason } => {
            let text = format!("refused: tried {}; {}", place(host, *port), prose(reason));
            Some((text, Tone::Bad))
        }
        EgressEvent::Failed { host, port, reason } => {
            let text = format!("not reached: {}; {}", place(host, *port), prose(reason));
            Some((text, Tone::Bad))
        }
        EgressEvent::Total { .. } => None,
    }
}

/// The rows of a result.
pub(super) fn rows(network: &Network) -> Vec<Row> {
    let row = |text: String, note: String, tone| Row { text, note, tone, at: None };
    let refused =
        network.refused.iter().map(|line| row(visible(&line.host), prose(&line.reason), Tone::Bad));
    let reached =
        network.reached.iter().map(|host| row(visible(host), "connected".into(), Tone::Quiet));
    let mut rows: Vec<Row> = refused.chain(reached).collect();
    if network.sent_bytes + network.received_bytes > 0 {
        let note = format!(
            "{} sent, {} received",
            bytes(network.sent_bytes),
            bytes(network.received_bytes)
        );
        rows.push(row("in all".into(), note, Tone::Quiet));
    }
    rows
}

fn bytes(count: u64) -> String {
    match count {
        0..1024 => format!("{count} bytes"),
        1024..1_048_576 => format!("{} KiB", count / 1024),
        _ => format!("{} MiB", count / 1_048_576),
    }
}
