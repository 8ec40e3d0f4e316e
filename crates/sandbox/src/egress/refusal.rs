//! Why a connection is not made, in the words everybody gets: the program, the journal, a person.

use std::fmt;

/// Why a connection is not made, or is cut.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Refusal {
    /// It does not name a host and a port in a form that can be read in one way only.
    Malformed,
    /// It is a request for a web server and not for a proxy.
    NotForAProxy,
    /// It asks for TLS to be made by the proxy.
    Scheme,
    /// The host is not allowed.
    NotAllowed,
    /// The host is allowed, the port is not.
    Port,
    /// It is an address and not a name.
    Literal,
    /// The host leads to an address that is not on the internet.
    Private(&'static str),
    /// The host leads back to this machine.
    OwnAddress,
    /// The `Host` header names something else.
    HostDiffers,
    /// What went into the tunnel is not TLS.
    NotTls,
    /// The TLS in the tunnel is for another host.
    OtherName(Option<String>),
    /// The TLS in the tunnel hides which host it is for.
    Encrypted,
    /// The task has sent all it may.
    SentTooMuch(u64),
}

/// Why an allowed host was not reached.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Failure {
    /// Its name has no address.
    Unresolved,
    /// It did not answer.
    Unreachable(String),
}

impl Refusal {
    /// Whether the request itself is wrong, rather than where it wants to go.
    pub(super) fn is_malformed(&self) -> bool {
        matches!(self, Self::Malformed | Self::NotForAProxy | Self::Scheme)
    }

    /// What the person who runs the program could do.
    pub(super) fn advice(&self) -> &'static str {
        match self {
            Self::NotAllowed => {
                "A person can add it to `allow` in the `[egress]` section of the configuration."
            }
            Self::Port => {
                "A person can add it with its port, as `host:port`, to `allow` in the `[egress]` \
                 section."
            }
            Self::Literal => "Use the host's name.",
            Self::Private(_) | Self::OwnAddress => {
                "A person can add the address with its port to `allow_private` in the `[egress]` \
                 section."
            }
            Self::Malformed | Self::NotForAProxy | Self::Scheme => {
                "Send `CONNECT host:port`, or a request with a whole `http://` address."
            }
            Self::HostDiffers | Self::OtherName(_) => "Ask for the host that is meant.",
            Self::NotTls | Self::Encrypted => "Only plain TLS passes through a tunnel.",
            Self::SentTooMuch(_) => "Run the rest as another task.",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => f.write_str("the host cannot be read in one way only"),
            Self::NotForAProxy => f.write_str("it is not a request for a proxy"),
            Self::Scheme => f.write_str("only `http` is fetched here; `https` goes by CONNECT"),
            Self::NotAllowed => f.write_str("it is not on the allow-list"),
            Self::Port => f.write_str("the host is allowed, but not at this port"),
            Self::Literal => f.write_str("it is an address, and only names are allowed"),
            Self::Private(what) => write!(f, "it leads to {what}"),
            Self::OwnAddress => f.write_str("it leads to an address of this machine"),
            Self::HostDiffers => f.write_str("the `Host` header names another host"),
            Self::NotTls => f.write_str("what went into the tunnel is not TLS"),
            Self::OtherName(Some(name)) => {
                write!(f, "the TLS in the tunnel is for `{name}`, another host")
            }
            Self::OtherName(None) => f.write_str("the TLS in the tunnel does not name its host"),
            Self::Encrypted => f.write_str("the TLS in the tunnel hides the name of its host"),
            Self::SentTooMuch(most) => {
                write!(f, "the task has sent {} MiB, which is all it may", most >> 20)
            }
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unresolved => f.write_str("its name has no address"),
            Self::Unreachable(why) => write!(f, "it cannot be reached ({why})"),
        }
    }
}
