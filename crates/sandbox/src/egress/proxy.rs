//! The proxy itself: accepts what comes out of a sandbox, and answers or connects it.

use super::allow::AllowList;
use super::connect::{NoWay, connect};
use super::hello;
use super::meter::{Metered, is_spent};
use super::plain;
use super::refusal::{Failure, Refusal};
use super::resolve::Resolve;
use super::seen::Seen;
use super::target::{Host, Target};
use gatepost_domain::egress::EgressEvent;
use http_body_util::{Either, Full};
use hyper::body::{Bytes, Incoming};
use hyper::ext::ReasonPhrase;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

/// What one task may use of the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EgressLimits {
    /// Connections at once; more wait until one ends.
    pub connections: usize,
    /// Bytes the task may send in all. It bounds what can be carried off through an allowed host.
    pub sent_bytes: u64,
    /// How long a look-up or a connection attempt may take.
    pub connect: Duration,
    /// How long a connection may be silent.
    pub idle: Duration,
}

impl Default for EgressLimits {
    fn default() -> Self {
        Self {
            // npm opens fifteen at once by default, cargo fewer.
            connections: 64,
            // Downloads send requests only: a few kilobytes each.
            sent_bytes: 64 << 20,
            connect: Duration::from_secs(15),
            idle: Duration::from_secs(300),
        }
    }
}

/// How long a client may take to say what it wants.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long nothing is accepted when the machine has no descriptors left.
const PAUSE: Duration = Duration::from_millis(100);
/// The largest head of a request.
const HEAD: usize = 32 * 1024;

type Body = Either<Incoming, Full<Bytes>>;
type Job = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The proxy of one run.
#[derive(Clone)]
pub struct Egress {
    inner: Arc<Inner>,
}

struct Inner {
    allow: AllowList,
    resolver: Arc<dyn Resolve>,
    limits: EgressLimits,
    seen: Arc<Seen>,
    places: Arc<Semaphore>,
}

impl std::fmt::Debug for Egress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Egress").field("allow", &self.inner.allow).finish_non_exhaustive()
    }
}

impl Egress {
    /// A proxy that lets through what `allow` names and tells what it sees over `events`.
    pub fn new(
        allow: AllowList,
        resolver: Arc<dyn Resolve>,
        limits: EgressLimits,
        events: mpsc::Sender<EgressEvent>,
    ) -> Self {
        let places = Arc::new(Semaphore::new(limits.connections));
        let seen = Arc::new(Seen::new(events));
        Self { inner: Arc::new(Inner { allow, resolver, limits, seen, places }) }
    }

    /// Serves until it is dropped; so do the connections.
    pub async fn serve(&self, listener: TcpListener) {
        self.accept(listener, |inner, stream| Box::pin(converse(inner, stream))).await;
    }

    /// Passes every connection on to one private address, which must be on the allow-list: for
    /// programs that use no proxy for loopback.
    pub async fn forward(&self, listener: TcpListener, to: SocketAddr) {
        self.accept(listener, move |inner, stream| Box::pin(pass_on(inner, stream, to))).await;
    }

    /// What passed so far; none when nothing was tried.
    #[must_use]
    pub fn total(&self) -> Option<EgressEvent> {
        self.inner.seen.total()
    }

    async fn accept(&self, listener: TcpListener, serve: impl Fn(Arc<Inner>, TcpStream) -> Job) {
        let mut connections = JoinSet::new();
        loop {
            while connections.try_join_next().is_some() {}
            match listener.accept().await {
                Ok((stream, _)) => {
                    // Waiting here leaves the rest in the kernel's queue. Nobody closes it.
                    let places = Arc::clone(&self.inner.places);
                    let Ok(place) = places.acquire_owned().await else { return };
                    let work = serve(Arc::clone(&self.inner), stream);
                    connections.spawn(async move {
                        work.await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection of a task could not be accepted");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
}

/// One connection of a client, with everything that it sets going.
async fn converse(inner: Arc<Inner>, stream: TcpStream) {
    let (jobs, mut new_jobs) = mpsc::channel::<Job>(4);
    let service = service_fn(move |request| {
        let (inner, jobs) = (Arc::clone(&inner), jobs.clone());
        async move { Ok::<_, Infallible>(answer(&inner, request, &jobs).await) }
    });
    let serving = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .max_buf_size(HEAD)
        .half_close(true)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut serving = pin!(serving);
    let mut running = JoinSet::new();
    let mut served = false;
    loop {
        tokio::select! {
            done = &mut serving, if !served => {
                served = true;
                if let Err(error) = done {
                    tracing::debug!(%error, "a connection of a task ended early");
                }
                while let Ok(job) = new_jobs.try_recv() {
                    running.spawn(job);
                }
            }
            Some(job) = new_jobs.recv(), if !served => { running.spawn(job); }
            Some(_) = running.join_next(), if !running.is_empty() => {}
            else => return,
        }
    }
}

async fn answer(
    inner: &Arc<Inner>,
    request: Request<Incoming>,
    jobs: &mpsc::Sender<Job>,
) -> Response<Body> {
    let tunnel = request.method() == Method::CONNECT;
    let wanted = if tunnel {
        let text = request.uri().authority().map(|at| at.as_str().to_owned()).unwrap_or_default();
        Target::parse(&text, None).map_err(|refusal| (text, refusal))
    } else {
        plain::target(&request)
    };
    let target = match wanted {
        Ok(target) => target,
        Err((text, refusal)) => {
            inner.seen.unreadable(&text, &refusal);
            return refused(&text, &refusal);
        }
    };
    let limits = inner.limits;
    let stream = match connect(&inner.allow, &*inner.resolver, &target, limits.connect).await {
        Ok(stream) => stream,
        Err(NoWay::Refused(refusal)) => {
            inner.seen.refused(&target, &refusal);
            return refused(&place(&target), &refusal);
        }
        Err(NoWay::Failed(failure)) => {
            inner.seen.failed(&target, &failure);
            return failed(&place(&target), &failure);
        }
    };
    inner.seen.connected(&target);
    let upstream = Metered::new(stream, Arc::clone(&inner.seen), limits.sent_bytes);
    if tunnel {
        let upgrade = hyper::upgrade::on(request);
        let inner = Arc::clone(inner);
        let job = Box::pin(async move {
            let Ok(upgraded) = upgrade.await else { return };
            let refusal = through(&inner, TokioIo::new(upgraded), upstream, &target).await;
            if let Err(refusal) = refusal {
                inner.seen.refused(&target, &refusal);
            }
        });
        // The receiver lives as long as the connection that is being answered.
        let _taken = jobs.send(job).await;
        return Response::new(Either::Right(Full::default()));
    }
    fetch(inner, plain::towards_host(request, &target), upstream, target, jobs).await
}

/// One plain request over a connection of its own.
async fn fetch(
    inner: &Arc<Inner>,
    request: Request<Incoming>,
    upstream: Metered,
    target: Target,
    jobs: &mpsc::Sender<Job>,
) -> Response<Body> {
    let (activity, idle) = (upstream.activity(), inner.limits.idle);
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(upstream)).await;
    let Ok((mut sender, connection)) = handshake else {
        let failure = Failure::Unreachable("it does not speak HTTP".to_owned());
        inner.seen.failed(&target, &failure);
        return failed(&place(&target), &failure);
    };
    let driver = {
        let (inner, target) = (Arc::clone(inner), target.clone());
        async move {
            tokio::select! {
                ended = connection => if let Err(error) = ended && is_spent(&error) {
                    let most = inner.limits.sent_bytes;
                    inner.seen.refused(&target, &Refusal::SentTooMuch(most));
                },
                () = activity.quiet_for(idle) => {}
            }
        }
    };
    // The receiver lives as long as the connection that is being answered.
    let _taken = jobs.send(Box::pin(driver)).await;
    match sender.send_request(request).await {
        Ok(mut response) => {
            plain::strip(response.headers_mut());
            response.map(Either::Left)
        }
        Err(error) if is_spent(&error) => {
            refused(&place(&target), &Refusal::SentTooMuch(inner.limits.sent_bytes))
        }
        Err(error) => {
            let failure = Failure::Unreachable(error.to_string());
            inner.seen.failed(&target, &failure);
            failed(&place(&target), &failure)
        }
    }
}

/// A tunnel: TLS for the host that was named, and nothing else.
async fn through(
    inner: &Inner,
    mut client: TokioIo<hyper::upgrade::Upgraded>,
    mut upstream: Metered,
    target: &Target,
) -> Result<(), Refusal> {
    // A private address that a person wrote down is theirs to speak anything to.
    if !matches!(&target.host, Host::Ip(address)
        if inner.allow.is_private(SocketAddr::new(*address, target.port)))
    {
        let read = tokio::time::timeout(PATIENCE, hello::read(&mut client)).await;
        let (hello, bytes) = read.map_err(|_| Refusal::NotTls)??;
        check_name(&hello, target)?;
        if let Err(error) = upstream.write_all(&bytes).await {
            return spent(&error, inner);
        }
    }
    let activity = upstream.activity();
    tokio::select! {
        passed = tokio::io::copy_bidirectional(&mut client, &mut upstream) => match passed {
            Ok(_) => Ok(()),
            Err(error) => spent(&error, inner),
        },
        () = activity.quiet_for(inner.limits.idle) => Ok(()),
    }
}

fn spent(error: &std::io::Error, inner: &Inner) -> Result<(), Refusal> {
    // Every other error is one side's ordinary way of hanging up.
    if is_spent(error) { Err(Refusal::SentTooMuch(inner.limits.sent_bytes)) } else { Ok(()) }
}

/// Whether the TLS in a tunnel is for the host the tunnel was asked for.
fn check_name(hello: &hello::Hello, target: &Target) -> Result<(), Refusal> {
    if hello.encrypted {
        return Err(Refusal::Encrypted);
    }
    match (&target.host, &hello.name) {
        // TLS names no addresses.
        (Host::Ip(_), None) => Ok(()),
        (Host::Name(_), Some(name))
            if super::target::host(name).is_ok_and(|host| host == target.host) =>
        {
            Ok(())
        }
        (_, name) => {
            let shown =
                |name: &String| name.chars().take(100).flat_map(char::escape_default).collect();
            Err(Refusal::OtherName(name.as_ref().map(shown)))
        }
    }
}

/// One connection to a private address, byte for byte.
async fn pass_on(inner: Arc<Inner>, mut client: TcpStream, to: SocketAddr) {
    let target = Target { host: Host::Ip(to.ip()), port: to.port() };
    let limits = inner.limits;
    let stream = match connect(&inner.allow, &*inner.resolver, &target, limits.connect).await {
        Ok(stream) => stream,
        Err(NoWay::Refused(refusal)) => return inner.seen.refused(&target, &refusal),
        Err(NoWay::Failed(failure)) => return inner.seen.failed(&target, &failure),
    };
    inner.seen.connected(&target);
    let mut upstream = Metered::new(stream, Arc::clone(&inner.seen), limits.sent_bytes);
    let activity = upstream.activity();
    tokio::select! {
        passed = tokio::io::copy_bidirectional(&mut client, &mut upstream) => {
            if passed.is_err_and(|error| is_spent(&error)) {
                inner.seen.refused(&target, &Refusal::SentTooMuch(limits.sent_bytes));
            }
        }
        () = activity.quiet_for(limits.idle) => {}
    }
}

fn place(target: &Target) -> String {
    format!("{}:{}", target.host, target.port)
}

fn refused(place: &str, refusal: &Refusal) -> Response<Body> {
    let status =
        if refusal.is_malformed() { StatusCode::BAD_REQUEST } else { StatusCode::FORBIDDEN };
    let shown: String = place.chars().take(300).flat_map(char::escape_default).collect();
    let text = format!("gatepost refused `{shown}`: {refusal}. {}\n", refusal.advice());
    // What many programs show of a refused CONNECT is this phrase and nothing else.
    answer_with(status, "Refused by Gatepost", text)
}

fn failed(place: &str, failure: &Failure) -> Response<Body> {
    let text = format!("gatepost could not connect to `{place}`: {failure}.\n");
    answer_with(StatusCode::BAD_GATEWAY, "Not reached by Gatepost", text)
}

fn answer_with(status: StatusCode, phrase: &'static str, text: String) -> Response<Body> {
    let mut response = Response::new(Either::Right(Full::from(text)));
    *response.status_mut() = status;
    response.extensions_mut().insert(ReasonPhrase::from_static(phrase.as_bytes()));
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, plain);
    response
}
