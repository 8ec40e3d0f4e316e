//! A request that is not a tunnel: one request, to the host it names, over its own connection.

use super::refusal::Refusal;
use super::target::Target;
use hyper::body::Incoming;
use hyper::header::{
    CONNECTION, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue, TE, TRAILER, TRANSFER_ENCODING,
    UPGRADE,
};
use hyper::{Request, Uri, Version};

/// Headers that speak of one connection and not of the request (RFC 9110, section 7.6.1), and
/// those a client speaks to its proxy with.
const OF_THE_CONNECTION: [HeaderName; 5] = [CONNECTION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE];
const TO_THE_PROXY: [&str; 4] =
    ["keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection"];

/// Where the request goes. The `Host` header must say the same.
pub(super) fn target(request: &Request<Incoming>) -> Result<Target, (String, Refusal)> {
    let uri = request.uri();
    let shown = uri.to_string();
    let fail = |refusal| (shown.clone(), refusal);
    let authority = uri.authority().ok_or_else(|| fail(Refusal::NotForAProxy))?;
    if uri.scheme_str() != Some("http") {
        return Err(fail(Refusal::Scheme));
    }
    let target = Target::parse(authority.as_str(), Some(80)).map_err(fail)?;
    let mut hosts = request.headers().get_all(HOST).iter();
    let said = match (hosts.next(), hosts.next()) {
        (None, _) => return Ok(target),
        (Some(host), None) => {
            let text = host.to_str().map_err(|_| fail(Refusal::Malformed))?;
            Target::parse(text, Some(80)).map_err(fail)?
        }
        (Some(_), Some(_)) => return Err(fail(Refusal::Malformed)),
    };
    if said == target { Ok(target) } else { Err(fail(Refusal::HostDiffers)) }
}

/// The request as the host itself is to see it.
pub(super) fn towards_host(mut request: Request<Incoming>, target: &Target) -> Request<Incoming> {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str()).to_owned();
    *request.uri_mut() = path.parse().unwrap_or_else(|_| Uri::from_static("/"));
    *request.version_mut() = Version::HTTP_11;
    strip(request.headers_mut());
    // Answered here already, by reading on.
    request.headers_mut().remove(EXPECT);
    let host = match target.host {
        super::target::Host::Ip(std::net::IpAddr::V6(address)) => format!("[{address}]"),
        ref host => host.to_string(),
    };
    let host = if target.port == 80 { host } else { format!("{host}:{}", target.port) };
    if let Ok(host) = HeaderValue::try_from(host) {
        request.headers_mut().insert(HOST, host);
    }
    request
}

/// Takes out what speaks of one connection.
pub(super) fn strip(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named.into_iter().chain(OF_THE_CONNECTION) {
        headers.remove(name);
    }
    for name in TO_THE_PROXY {
        headers.remove(name);
    }
}
