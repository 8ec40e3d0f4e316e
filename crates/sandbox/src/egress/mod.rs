//! The only way from a task to the network: a proxy outside of it, with an allow-list handed in.
//!
//! A task's network namespace holds nothing but loopback. Where hosts are allowed, one port of
//! that loopback comes out to [`Egress::serve`], which speaks HTTP and CONNECT. Names are looked up
//! here and only when they are allowed, the address is checked, and exactly the checked address is
//! connected to: a name that answers differently the second time changes nothing. What goes through
//! a tunnel must be TLS for the host that was named.
//!
//! It decides nothing: [`AllowList`] is what a person configured.

mod address;
mod allow;
mod connect;
mod hello;
mod meter;
mod plain;
mod proxy;
mod refusal;
mod resolve;
mod seen;
mod serving;
mod target;

pub use allow::{AllowList, EntryError, PRESETS, Preset};
pub use proxy::{Egress, EgressLimits};
pub use resolve::{Resolve, Resolved, SystemResolver};
pub use serving::{Serving, prepare};

/// The port inside on which the proxy is found; the one most HTTP proxies use.
pub const PROXY_PORT: u16 = 3128;

/// The port inside that is kept for the way to a language model.
pub const MODEL_PORT: u16 = 8123;

/// What programs inside read to find the proxy. Each name is there because common programs read
/// only that spelling.
fn environment() -> Vec<(String, String)> {
    let proxy = format!("http://127.0.0.1:{PROXY_PORT}");
    // curl takes only the lower case of `http_proxy`; most others take either.
    let mut env: Vec<(String, String)> = ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"]
        .into_iter()
        .map(|name| (name.to_owned(), proxy.clone()))
        .collect();
    for name in ["NO_PROXY", "no_proxy"] {
        env.push((name.to_owned(), "localhost,127.0.0.1,::1".to_owned()));
    }
    // Without it node's own `fetch` ignores the others.
    env.push(("NODE_USE_ENV_PROXY".to_owned(), "1".to_owned()));
    env
}
