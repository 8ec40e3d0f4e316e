//! The allow-list: presets, names and single private addresses, checked when they are read.

use super::address::not_public;
use super::refusal::Refusal;
use super::target::{Host, Target, host};
use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// The ports of an entry that names none.
const WEB: [u16; 2] = [80, 443];

/// A named set of hosts.
#[derive(Debug)]
pub struct Preset {
    /// The name it has in the configuration.
    pub name: &'static str,
    /// Its hosts.
    pub hosts: &'static [&'static str],
}

/// The presets there are.
pub const PRESETS: &[Preset] = &[Preset {
    name: "registries",
    hosts: &[
        // Cargo's sparse index and the crate files: https://index.crates.io/config.json
        "index.crates.io",
        "static.crates.io",
        // npm's default `registry`: https://docs.npmjs.com/cli/using-npm/config#registry
        "registry.npmjs.org",
        // pip's default index, and where its links lead: https://docs.pypi.org/api/index-api/
        "pypi.org",
        "files.pythonhosted.org",
        // Go's default `GOPROXY` and `GOSUMDB`: https://go.dev/ref/mod#environment-variables
        "proxy.golang.org",
        "sum.golang.org",
        // Maven Central: https://central.sonatype.org/consume/consume-maven/
        "repo.maven.apache.org",
        "repo1.maven.org",
    ],
}];

/// What a task may reach. Empty by default, which means nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowList {
    entries: Vec<Entry>,
    private: BTreeSet<SocketAddr>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    pattern: Pattern,
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Pattern {
    /// This host.
    Exact(Host),
    /// Every name below this one, but not itself.
    Below(String),
}

/// An entry that cannot be one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{entry}` cannot be allowed: {why}")]
pub struct EntryError {
    /// The entry as written.
    pub entry: String,
    /// What is wrong with it.
    pub why: String,
}

impl AllowList {
    /// Puts presets, hosts (`docs.rs`, `*.example.com`, `example.com:8443`) and private addresses
    /// (`127.0.0.1:9000`) together.
    ///
    /// # Errors
    /// The first entry that means nothing, or more than it says.
    pub fn new<T: AsRef<str>>(
        presets: &[T],
        allow: &[T],
        private: &[T],
    ) -> Result<Self, EntryError> {
        let mut list = Self::default();
        for name in presets {
            let name = name.as_ref();
            let found = PRESETS.iter().find(|preset| preset.name == name).ok_or_else(|| {
                let known: Vec<&str> = PRESETS.iter().map(|preset| preset.name).collect();
                wrong(name, &format!("there is no such preset, only `{}`", known.join("`, `")))
            })?;
            for host in found.hosts {
                list.entries.push(entry(host)?);
            }
        }
        for text in allow {
            list.entries.push(entry(text.as_ref())?);
        }
        for text in private {
            list.private.insert(private_entry(text.as_ref())?);
        }
        Ok(list)
    }

    /// Whether nothing at all is allowed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.private.is_empty()
    }

    /// Every entry as a person would write it, in order.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        let entries = self.entries.iter().map(Entry::to_string);
        entries.chain(self.private.iter().map(SocketAddr::to_string)).collect()
    }

    /// The private addresses on this machine's own loopback. Inside, the same address and port can
    /// be given the same meaning, for programs that use no proxy for loopback.
    pub fn loopback(&self) -> impl Iterator<Item = SocketAddr> {
        self.private.iter().copied().filter(|at| at.is_ipv4() && at.ip().is_loopback())
    }

    /// Whether the host may be asked for at all; its address is checked later.
    pub(super) fn check(&self, target: &Target) -> Result<(), Refusal> {
        let Target { host, port } = target;
        if let Host::Ip(address) = host
            && self.private.contains(&SocketAddr::new(*address, *port))
        {
            return Ok(());
        }
        let mut named = self.entries.iter().filter(|entry| entry.pattern.matches(host)).peekable();
        if named.peek().is_none() {
            return Err(match host {
                Host::Ip(address) => {
                    not_public(*address).map_or(Refusal::Literal, Refusal::Private)
                }
                Host::Name(_) => Refusal::NotAllowed,
            });
        }
        let open = named.any(|entry| match entry.port {
            Some(only) => only == *port,
            // An allowed name may also lead to a private address at the port that has there.
            None => WEB.contains(port) || self.private.iter().any(|at| at.port() == *port),
        });
        if open { Ok(()) } else { Err(Refusal::Port) }
    }

    /// Whether this very address may be connected to for an allowed host.
    pub(super) fn check_address(
        &self,
        target: &Target,
        address: IpAddr,
    ) -> Result<SocketAddr, Refusal> {
        let at = SocketAddr::new(address.to_canonical(), target.port);
        if self.private.contains(&at) {
            return Ok(at);
        }
        if let Some(what) = not_public(address) {
            return Err(Refusal::Private(what));
        }
        let entries = self.entries.iter().filter(|entry| entry.pattern.matches(&target.host));
        let open = entries.into_iter().any(|entry| match entry.port {
            Some(only) => only == target.port,
            None => WEB.contains(&target.port),
        });
        if open { Ok(at) } else { Err(Refusal::Port) }
    }

    /// Whether a person allowed this address itself.
    pub(super) fn is_private(&self, at: SocketAddr) -> bool {
        self.private.contains(&at)
    }
}

impl Pattern {
    fn matches(&self, host: &Host) -> bool {
        match (self, host) {
            (Self::Exact(exact), host) => exact == host,
            (Self::Below(suffix), Host::Name(name)) => name
                .strip_suffix(suffix.as_str())
                .is_some_and(|rest| rest.len() > 1 && rest.ends_with('.')),
            (Self::Below(_), Host::Ip(_)) => false,
        }
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.pattern {
            Pattern::Exact(Host::Ip(IpAddr::V6(address))) => write!(f, "[{address}]")?,
            Pattern::Exact(host) => write!(f, "{host}")?,
            Pattern::Below(suffix) => write!(f, "*.{suffix}")?,
        }
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

fn wrong(entry: &str, why: &str) -> EntryError {
    EntryError { entry: entry.to_owned(), why: why.to_owned() }
}

fn entry(text: &str) -> Result<Entry, EntryError> {
    if text.contains("://") {
        return Err(wrong(text, "write the host alone, without `http://` and path"));
    }
    let (below, rest) = text.strip_prefix("*.").map_or((false, text), |rest| (true, rest));
    if rest.contains('*') {
        let why =
            "a `*` stands at the beginning, for everything below a name, as in `*.example.com`";
        return Err(wrong(text, why));
    }
    let malformed = |_| wrong(text, "it is not a host, with or without a port");
    let (name, port) = match Target::parse(rest, Some(80)) {
        // A port was written when the text cannot be read as a host alone.
        Ok(target) if host(rest).is_err() => (target.host, Some(target.port)),
        _ => (host(rest).map_err(malformed)?, None),
    };
    let pattern = match name {
        Host::Ip(_) if below => {
            return Err(wrong(text, "there is nothing below an address"));
        }
        Host::Ip(address) => {
            if let Some(what) = not_public(address) {
                let why = format!("it is {what}; such an address goes into `allow_private`");
                return Err(wrong(text, &why));
            }
            Pattern::Exact(Host::Ip(address))
        }
        Host::Name(name) if below => {
            if !name.contains('.') {
                let why = "it would allow a whole top-level domain";
                return Err(wrong(text, why));
            }
            Pattern::Below(name)
        }
        Host::Name(name) => Pattern::Exact(Host::Name(name)),
    };
    Ok(Entry { pattern, port })
}

fn private_entry(text: &str) -> Result<SocketAddr, EntryError> {
    let at: SocketAddr = text.parse().map_err(|_| {
        wrong(text, "a private address is written with its port, as in `127.0.0.1:9000`")
    })?;
    if at.port() == 0 {
        return Err(wrong(text, "port 0 is no port"));
    }
    let at = SocketAddr::new(at.ip().to_canonical(), at.port());
    if at.ip().is_unspecified() || at.ip().is_multicast() {
        return Err(wrong(text, "nothing can be reached at such an address"));
    }
    if at.ip().is_loopback() && [super::PROXY_PORT, super::MODEL_PORT].contains(&at.port()) {
        return Err(wrong(text, "gatepost itself has that port inside the sandbox"));
    }
    Ok(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(allow: &[&str], private: &[&str]) -> AllowList {
        AllowList::new(&[], allow, private).unwrap()
    }

    fn check(list: &AllowList, target: &str) -> Result<(), Refusal> {
        list.check(&Target::parse(target, None).unwrap())
    }

    #[test]
    fn names_are_exact_and_a_star_means_below() {
        let list = list(&["docs.rs", "*.Example.com", "bücher.example", "deep.example:8443"], &[]);
        for allowed in [
            "docs.rs:443",
            "DOCS.rs.:80",
            "a.example.com:443",
            "b.a.example.com:443",
            "xn--bcher-kva.example:443",
            "deep.example:8443",
        ] {
            assert_eq!(check(&list, allowed), Ok(()), "{allowed}");
        }
        for refused in [
            "example.com:443",
            "evil-example.com:443",
            "docs.rs.evil.example:443",
            "xdocs.rs:443",
            "a.docs.rs:443",
            "rs:443",
        ] {
            assert_eq!(check(&list, refused), Err(Refusal::NotAllowed), "{refused}");
        }
        for port in ["docs.rs:22", "docs.rs:8443", "deep.example:443"] {
            assert_eq!(check(&list, port), Err(Refusal::Port), "{port}");
        }
    }

    #[test]
    fn addresses_are_refused_unless_they_are_written_down() {
        let list = list(&["docs.rs", "93.184.216.34"], &["127.0.0.1:9000"]);
        assert_eq!(check(&list, "127.0.0.1:9000"), Ok(()));
        assert_eq!(check(&list, "0x7f.1:9000"), Ok(()));
        assert_eq!(check(&list, "93.184.216.34:443"), Ok(()));
        assert_eq!(check(&list, "1.1.1.1:443"), Err(Refusal::Literal));
        for private in ["127.0.0.1:9001", "169.254.169.254:80", "[::1]:9000"] {
            assert!(matches!(check(&list, private), Err(Refusal::Private(_))), "{private}");
        }
    }

    #[test]
    fn an_allowed_name_does_not_open_a_private_port_on_the_internet() {
        let list = list(&["docs.rs"], &["127.0.0.1:9000"]);
        let target = Target::parse("docs.rs:9000", None).unwrap();
        assert_eq!(list.check(&target), Ok(()));
        assert!(list.check_address(&target, "127.0.0.1".parse().unwrap()).is_ok());
        let public = "1.1.1.1".parse().unwrap();
        assert_eq!(list.check_address(&target, public), Err(Refusal::Port));
        let other = "10.0.0.1".parse().unwrap();
        assert!(matches!(list.check_address(&target, other), Err(Refusal::Private(_))));
    }

    #[test]
    fn entries_that_mean_nothing_or_too_much_are_refused_with_a_reason() {
        for (entry, why) in [
            ("*", "begin"),
            ("*.com", "top-level"),
            ("a.*.com", "begin"),
            ("https://docs.rs/", "without `http://`"),
            ("docs.rs/path", "not a host"),
            ("", "not a host"),
            ("me@docs.rs", "not a host"),
            ("127.0.0.1", "allow_private"),
            ("169.254.169.254", "allow_private"),
            ("0x7f.1", "allow_private"),
            ("docs.rs:0", "not a host"),
            ("docs.rs:x", "not a host"),
        ] {
            let error = AllowList::new(&[], &[entry], &[]).unwrap_err();
            assert!(error.why.contains(why), "{entry}: {error}");
        }
        for private in [
            "127.0.0.1",
            "localhost:9000",
            "0.0.0.0:80",
            "127.0.0.1:0",
            "127.0.0.1:3128",
            "127.0.0.1:8123",
        ] {
            assert!(AllowList::new(&[], &[], &[private]).is_err(), "{private}");
        }
        let error = AllowList::new(&["everything"], &[], &[]).unwrap_err();
        assert!(error.to_string().contains("only `registries`"), "{error}");
    }

    #[test]
    fn the_registries_are_named_hosts_and_nothing_else() {
        let list = AllowList::new(&["registries"], &[], &[]).unwrap();
        assert!(list.words().contains(&"registry.npmjs.org".to_owned()));
        assert!(list.words().iter().all(|word| !word.contains(['*', ':'])));
        assert_eq!(check(&list, "github.com:443"), Err(Refusal::NotAllowed));
    }
}
