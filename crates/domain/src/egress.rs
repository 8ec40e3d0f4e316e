//! What passed between a run and the network: the egress proxy's own word, never the agent's.

use serde::Deserialize;
use serde::Serialize;

/// What the egress proxy of a run saw. Each is told once for one host, port and reason, so that a
/// program that tries ten thousand times fills no journal; [`EgressEvent::Total`] has the numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "type")]
pub enum EgressEvent {
    /// A host on the allow-list was connected to.
    Connected {
        /// Its name or address, in canonical form.
        host: String,
        /// The port.
        port: u16,
    },
    /// A connection was refused, or cut because it was not what it had said it was.
    Refused {
        /// The host that was asked for, as far as it could be read.
        host: String,
        /// The port; 0 where none could be read.
        port: u16,
        /// Why, as a clause such as `it is not on the allow-list`.
        reason: String,
    },
    /// A host on the allow-list could not be reached.
    Failed {
        /// Its name or address.
        host: String,
        /// The port.
        port: u16,
        /// What went wrong.
        reason: String,
    },
    /// What passed in all, at the end of a run that used the network.
    Total {
        /// Connections made.
        connections: u64,
        /// Attempts refused or cut.
        refused: u64,
        /// Bytes that left.
        sent_bytes: u64,
        /// Bytes that came in.
        received_bytes: u64,
    },
}
