//! Where a request wants to go, read once into one canonical form.

use super::refusal::Refusal;
use std::fmt;
use std::net::IpAddr;

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Target {
    pub(super) host: Host,
    pub(super) port: u16,
}

/// A host in canonical form.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Host {
    /// A name: lower case, ASCII, without a dot at its end.
    Name(String),
    /// An address, however it was spelled.
    Ip(IpAddr),
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Ip(address) => write!(f, "{address}"),
        }
    }
}

/// Reads the host alone.
///
/// Numbers in any base become the address they mean and names of other scripts their ASCII form,
/// by the rules browsers follow, so that every spelling of a host gets the same answer.
pub(super) fn host(text: &str) -> Result<Host, Refusal> {
    // A percent sign would be decoded; nobody writes a host that way who means well.
    if text.is_empty() || text.len() > 300 || text.contains(['%', '@', '/', '\\', '?', '#']) {
        return Err(Refusal::Malformed);
    }
    let plain = text.strip_suffix('.').unwrap_or(text);
    match url::Host::parse(plain).map_err(|_| Refusal::Malformed)? {
        url::Host::Ipv4(address) => Ok(Host::Ip(address.into())),
        url::Host::Ipv6(address) => Ok(Host::Ip(IpAddr::from(address).to_canonical())),
        url::Host::Domain(name) => {
            let label = |label: &str| {
                (1..=63).contains(&label.len())
                    && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
            };
            if name.len() > 253 || !name.split('.').all(label) {
                return Err(Refusal::Malformed);
            }
            Ok(Host::Name(name))
        }
    }
}

impl Target {
    /// Reads `host:port`; without a port it is `default`, where there is one.
    pub(super) fn parse(text: &str, default: Option<u16>) -> Result<Self, Refusal> {
        let (name, port) = match text.rsplit_once(':') {
            // The last colon of `[::1]` belongs to the address.
            Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
            _ => (text, None),
        };
        // What is left must be a name, or an address in brackets.
        if name.contains(':') && !(name.starts_with('[') && name.ends_with(']')) {
            return Err(Refusal::Malformed);
        }
        let port = match port {
            Some(port) if port.bytes().all(|b| b.is_ascii_digit()) => port.parse().ok(),
            Some(_) => None,
            None => default,
        };
        let port = port.filter(|port| *port != 0).ok_or(Refusal::Malformed)?;
        Ok(Self { host: host(name)?, port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_spelling_of_a_host_becomes_one() {
        for (text, wanted) in [
            ("Allowed.Example:443", "allowed.example"),
            ("allowed.example.:443", "allowed.example"),
            ("bücher.example:443", "xn--bcher-kva.example"),
            ("BÜCHER.example:443", "xn--bcher-kva.example"),
            // A letter of another script that looks the same stays another name.
            ("аllowed.example:443", "xn--llowed-2nf.example"),
            ("127.0.0.1:443", "127.0.0.1"),
            ("127.1:443", "127.0.0.1"),
            ("2130706433:443", "127.0.0.1"),
            ("0x7f.1:443", "127.0.0.1"),
            ("0177.0.0.1:443", "127.0.0.1"),
            ("0xA9FEA9FE:443", "169.254.169.254"),
            ("[::1]:443", "::1"),
            ("[::ffff:127.0.0.1]:443", "127.0.0.1"),
            ("１２７.0.0.1:443", "127.0.0.1"),
        ] {
            let target = Target::parse(text, None).unwrap();
            assert_eq!((target.host.to_string().as_str(), target.port), (wanted, 443), "{text}");
        }
    }

    #[test]
    fn what_is_no_host_and_port_is_malformed() {
        for text in [
            "",
            ":443",
            "a.example",
            "a.example:",
            "a.example:0",
            "a.example:65536",
            "a.example:+44",
            "a.example:https",
            "allowed.example@evil.example:443",
            "user:pw@a.example:443",
            "a.example:443/path",
            "a%2eexample:443",
            "a..example:443",
            "::1:443",
            "[::1:443",
            "a b.example:443",
            "a.example\r\n:443",
            "a.example:443:80",
            "[::1%25eth0]:443",
            "a\\b.example:443",
            "1.2.3.4.5:80",
            "256.256.256.256:80",
        ] {
            assert_eq!(Target::parse(text, None), Err(Refusal::Malformed), "{text:?}");
        }
        assert_eq!(Target::parse("a.example", Some(80)).unwrap().port, 80);
        assert_eq!(Target::parse("[::1]", Some(80)).unwrap().port, 80);
    }

    proptest! {
        #[test]
        fn what_is_read_is_read_the_same_again(text in "[a-zA-Z0-9.:\\[\\]x_-]{1,40}") {
            if let Ok(target) = Target::parse(&text, Some(80)) {
                let bracketed = match &target.host {
                    Host::Ip(IpAddr::V6(address)) => format!("[{address}]:{}", target.port),
                    other => format!("{other}:{}", target.port),
                };
                prop_assert_eq!(Target::parse(&bracketed, None).unwrap(), target);
            }
        }
    }
}
