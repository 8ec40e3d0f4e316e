//! The way out: what is allowed gets through, and everything else is refused, cut and told of. A
//! server on this machine's loopback stands in for the internet, and names lead where a test says.

use crate::support::World;
use gatepost_domain::egress::EgressEvent;
use gatepost_sandbox::egress::{self, AllowList, EgressLimits, Resolve, Resolved, Serving};
use gatepost_sandbox::{ExitStatus, Sandbox};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// A generous ceiling for anything that must happen.
const CEILING: Duration = Duration::from_secs(60);

/// What every script inside begins with.
const INSIDE: &str = r#"
import os, socket, ssl
def dial(port=3128):
    s = socket.create_connection(('127.0.0.1', port), 30)
    s.settimeout(30)
    return s
def rest(s):
    got = b''
    try:
        while True:
            part = s.recv(65536)
            if not part: return got
            got += part
    except ConnectionError:
        return got
def head(s):
    got = b''
    while b'\r\n\r\n' not in got:
        part = s.recv(1)
        if not part: break
        got += part
    return got
def status(got):
    return got.split(b'\r\n')[0].decode()[9:12] or 'cut'
def ask(request):
    s = dial()
    s.sendall(request)
    return status(head(s))
def get(url, *headers):
    host = url.split('/')[2]
    lines = ['GET ' + url + ' HTTP/1.1', *(headers or ('Host: ' + host,)), 'Connection: close', '', '']
    s = dial()
    s.sendall('\r\n'.join(lines).encode())
    return rest(s)
def tunnel(place):
    s = dial()
    s.sendall(('CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n' % (place, place)).encode())
    return s, status(head(s))
def hello(name):
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    come, go = ssl.MemoryBIO(), ssl.MemoryBIO()
    try:
        context.wrap_bio(come, go, server_hostname=name).do_handshake()
    except ssl.SSLWantReadError:
        pass
    return go.read()
def through(place, data):
    s, code = tunnel(place)
    if code != '200': return code
    s.sendall(data)
    try: s.shutdown(socket.SHUT_WR)
    except OSError: pass
    got = rest(s)
    return 'cut' if got == b'' else got.decode()
"#;

/// Names that lead where a test says, each look-up the next answer; the last one stays.
#[derive(Debug, Default)]
struct Names {
    answers: Mutex<HashMap<String, Vec<Vec<IpAddr>>>>,
    asked: Mutex<Vec<String>>,
}

impl Names {
    fn answer(&self, name: &str, addresses: &[&str]) {
        let addresses = addresses.iter().map(|text| text.parse().unwrap()).collect();
        self.answers.lock().unwrap().entry(name.to_owned()).or_default().push(addresses);
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Resolve for Names {
    fn resolve<'r>(&'r self, name: &'r str) -> Resolved<'r> {
        self.asked.lock().unwrap().push(name.to_owned());
        let mut all = self.answers.lock().unwrap();
        let answer = match all.get_mut(name) {
            Some(answers) if answers.len() > 1 => answers.remove(0),
            Some(answers) => answers.first().cloned().unwrap_or_default(),
            None => Vec::new(),
        };
        Box::pin(std::future::ready(Ok(answer)))
    }
}

/// A server of this machine that says how many bytes it got, once the other side has said all.
struct Server {
    at: SocketAddr,
    got: Arc<Mutex<Vec<Vec<u8>>>>,
    _serving: JoinSet<()>,
}

impl Server {
    /// Answers `got N` at the end of what it is sent; plain HTTP requests as a web server does.
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let got: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
        let mut serving = JoinSet::new();
        let kept = Arc::clone(&got);
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let kept = Arc::clone(&kept);
                connections.spawn(async move {
                    let mut all = Vec::new();
                    let mut part = vec![0; 65536];
                    loop {
                        let n = stream.read(&mut part).await.unwrap_or(0);
                        all.extend_from_slice(part.get(..n).unwrap());
                        let text = String::from_utf8_lossy(&all);
                        if n == 0 || text.starts_with("GET ") && text.ends_with("\r\n\r\n") {
                            break;
                        }
                    }
                    let body = format!("got {}", all.len());
                    let web = all.starts_with(b"GET ");
                    kept.lock().unwrap().push(all);
                    let answer = if web {
                        format!(
                            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                            body.len()
                        )
                    } else {
                        body
                    };
                    // The other side may have hung up, which is what some tests are about.
                    let _sent = stream.write_all(answer.as_bytes()).await;
                });
            }
        });
        Self { at, got, _serving: serving }
    }

    fn port(&self) -> u16 {
        self.at.port()
    }

    fn got(&self) -> Vec<Vec<u8>> {
        self.got.lock().unwrap().clone()
    }
}

/// A task with a way out.
struct Task {
    world: World,
    sandbox: Sandbox,
    serving: Serving,
    seen: mpsc::Receiver<EgressEvent>,
    names: Arc<Names>,
}

impl Task {
    async fn start(allow: &[&str], private: &[String]) -> Self {
        Self::start_with(allow, private, EgressLimits::default()).await
    }

    async fn start_with(allow: &[&str], private: &[String], limits: EgressLimits) -> Self {
        let private: Vec<&str> = private.iter().map(String::as_str).collect();
        let allow = AllowList::new(&[], allow, &private).unwrap();
        let world = World::new();
        let mut profile = world.profile();
        egress::prepare(&allow, &mut profile);
        let mut sandbox = world.start_with(profile).await;
        let names = Arc::new(Names::default());
        let resolver: Arc<dyn Resolve> = Arc::<Names>::clone(&names);
        let (serving, seen) = Serving::start(&allow, &mut sandbox, resolver, limits).unwrap();
        Self { world, sandbox, serving, seen, names }
    }

    /// Runs a script inside and gives back what it printed.
    async fn python(&self, script: &str) -> String {
        let script = format!("{INSIDE}\n{script}");
        let argv = ["/usr/bin/python3", "-c", &script];
        let (status, said) = self.world.run(&self.sandbox, &argv).await;
        assert_eq!(status, ExitStatus::Code(0), "{said}");
        said.trim_end().to_owned()
    }

    /// What the proxy has told of so far, as short lines.
    fn told(&mut self) -> Vec<String> {
        let mut told = Vec::new();
        while let Ok(event) = self.seen.try_recv() {
            told.push(line(&event));
        }
        told
    }

    async fn end(self) -> Option<EgressEvent> {
        self.sandbox.stop().await;
        self.serving.end().await
    }
}

fn line(event: &EgressEvent) -> String {
    match event {
        EgressEvent::Connected { host, port } => format!("connected {host}:{port}"),
        EgressEvent::Refused { host, port, reason } => format!("refused {host}:{port} {reason}"),
        EgressEvent::Failed { host, port, reason } => format!("failed {host}:{port} {reason}"),
        EgressEvent::Total { connections, refused, .. } => format!("{connections}/{refused}"),
    }
}

#[tokio::test]
async fn an_allowed_host_is_reached_and_another_is_refused_with_a_reason() {
    let server = Server::start().await;
    let mut task = Task::start(&["allowed.example"], &[server.at.to_string()]).await;
    task.names.answer("allowed.example", &["127.0.0.1"]);
    task.names.answer("evil.example", &["127.0.0.1"]);
    let port = server.port();
    let said = task
        .python(&format!(
            "got = get('http://allowed.example:{port}/path?q=1')\n\
             print(status(got), got.split(b'\\r\\n\\r\\n')[1].decode())\n\
             data = hello('allowed.example')\n\
             print(through('allowed.example:{port}', data) == 'got %d' % len(data))\n\
             got = get('http://evil.example/')\n\
             print(got.split(b'\\r\\n')[0].decode())\n\
             print(got.split(b'\\r\\n\\r\\n')[1].decode().strip())\n\
             print(tunnel('evil.example:443')[1], tunnel('allowed.example:22')[1])"
        ))
        .await;
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines[0].starts_with("200 got "), "{said}");
    assert_eq!(lines[1], "True", "the tunnel carries every byte: {said}");
    assert_eq!(lines[2], "HTTP/1.1 403 Refused by Gatepost");
    assert!(lines[3].contains("`evil.example:80`: it is not on the allow-list"), "{said}");
    assert!(lines[3].contains("`[egress]`"), "it says what to do: {said}");
    assert_eq!(lines[4], "403 403");
    // What the host was sent is the request as it would have come without a proxy.
    let request = String::from_utf8(server.got()[0].clone()).unwrap();
    assert!(request.starts_with("GET /path?q=1 HTTP/1.1\r\n"), "{request}");
    assert!(request.to_lowercase().contains(&format!("host: allowed.example:{port}\r\n")));
    let told = task.told();
    assert_eq!(
        told,
        [
            format!("connected allowed.example:{port}"),
            "refused evil.example:80 it is not on the allow-list".into(),
            "refused evil.example:443 it is not on the allow-list".into(),
            "refused allowed.example:22 the host is allowed, but not at this port".into(),
        ]
    );
    let total = task.end().await.unwrap();
    let EgressEvent::Total { connections, refused, sent_bytes, received_bytes } = total else {
        panic!("{total:?}")
    };
    assert_eq!((connections, refused), (2, 3));
    assert!(sent_bytes > 500 && received_bytes > 20, "{sent_bytes} {received_bytes}");
}

#[tokio::test]
async fn programs_find_the_proxy_by_themselves_and_only_where_there_is_one() {
    let server = Server::start().await;
    let task = Task::start(&["allowed.example"], &[server.at.to_string()]).await;
    task.names.answer("allowed.example", &["127.0.0.1"]);
    let port = server.port();
    let url = format!("http://allowed.example:{port}/");
    let script = format!("import urllib.request as u; print(u.urlopen('{url}').read().decode())");
    assert!(task.python(&script).await.starts_with("got "));
    // This machine's own loopback inside is the task's own and needs no proxy.
    let (_, said) = task.world.sh(&task.sandbox, "echo $no_proxy; ls /proc/self/fd | wc -l").await;
    assert_eq!(said, "localhost,127.0.0.1,::1\n4\n", "no further descriptor is left inside");
    task.end().await;

    let world = World::new();
    let sandbox = world.start().await;
    let script = "env | grep -ci proxy; python3 -c \"import socket\ntry: \
                  socket.create_connection(('127.0.0.1', 3128))\nexcept OSError as e: print(e)\"";
    let (_, said) = world.sh(&sandbox, script).await;
    assert_eq!(said, "0\n[Errno 111] Connection refused\n");
    sandbox.stop().await;
}

#[tokio::test]
async fn private_and_metadata_addresses_are_refused_in_every_spelling() {
    let server = Server::start().await;
    let other = Server::start().await;
    let allow = ["named.example", "metadata.example", "localhost"];
    let mut task = Task::start(&allow, &[server.at.to_string()]).await;
    for (name, leads) in [
        ("named.example", "127.0.0.1"),
        ("metadata.example", "169.254.169.254"),
        ("localhost", "127.0.0.1"),
    ] {
        task.names.answer(name, &[leads]);
    }
    let (port, free) = (other.port(), server.port());
    let said = task
        .python(&format!(
            "for place in ['127.0.0.1', '127.1', '0x7f.1', '0177.0.0.1', '2130706433', '0.0.0.0',\n\
             \x20             '[::1]', '[::ffff:127.0.0.1]', '[::ffff:7f00:1]', '[::]', '127.0.0.1.',\n\
             \x20             'LOCALHOST', 'localhost.', 'named.example']:\n\
             \x20   print(tunnel(place + ':{port}')[1], status(get('http://' + place + ':{port}/')), end=' ')\n\
             print()\n\
             for place in ['169.254.169.254', '2852039166', '0xa9.0xfe.0xa9.0xfe', '[::ffff:a9fe:a9fe]',\n\
             \x20             '[fd00:ec2::254]', 'metadata.example', '10.0.0.1', '192.168.1.1', '100.64.0.1',\n\
             \x20             '[64:ff9b::7f00:1]', '[fe80::1]', '224.0.0.1', '1.1.1.1']:\n\
             \x20   print(tunnel(place + ':80')[1], status(get('http://' + place + '/')), end=' ')\n\
             print()\n\
             for place in ['127.0.0.1', '0x7f.1', '[::ffff:127.0.0.1]', 'named.example']:\n\
             \x20   print(status(get('http://' + place + ':{free}/')), end=' ')"
        ))
        .await;
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[0].trim(), ["403"; 28].join(" "));
    assert_eq!(lines[1].trim(), ["403"; 26].join(" "));
    // The positive control: the one address that is configured, in the same spellings.
    assert_eq!(lines[2].trim(), ["200"; 4].join(" "));
    assert_eq!(other.got().len(), 0, "nothing reached the other server");
    let told = task.told().join("\n");
    assert!(
        told.contains("refused metadata.example:80 it leads to a link-local address"),
        "{told}"
    );
    assert!(told.contains("refused 1.1.1.1:80 it is an address, and only names"), "{told}");
    task.end().await;
}

#[tokio::test]
async fn names_that_are_not_allowed_are_never_looked_up() {
    let mut task = Task::start(&["allowed.example", "*.cdn.example"], &[]).await;
    let said = task
        .python(
            "for name in ['c2VjcmV0.evil.example', 'allowed.example.evil.example', 'cdn.example',\n\
             \x20            'xcdn.example']:\n\
             \x20   print(tunnel(name + ':443')[1], status(get('http://' + name + '/')), end=' ')\n\
             print(tunnel('allowed.example:443')[1], tunnel('a.cdn.example:443')[1])",
        )
        .await;
    assert_eq!(said, "403 403 403 403 403 403 403 403 502 502");
    assert_eq!(task.names.asked(), ["allowed.example", "a.cdn.example"]);
    let told = task.told().join("\n");
    assert!(told.contains("failed a.cdn.example:443 its name has no address"), "{told}");
    task.end().await;
}

#[tokio::test]
async fn a_tunnel_carries_tls_for_its_own_host_and_nothing_else() {
    let server = Server::start().await;
    let mut task = Task::start(&["allowed.example"], &[server.at.to_string()]).await;
    task.names.answer("allowed.example", &["127.0.0.1"]);
    let port = server.port();
    let said = task
        .python(&format!(
            "place = 'allowed.example:{port}'\n\
             print(through(place, hello('ALLOWED.example')).split()[0])\n\
             print(through(place, hello('evil.example')))\n\
             print(through(place, hello(None)))\n\
             print(through(place, b'SSH-2.0-OpenSSH_9.2\\r\\n'))\n\
             print(through(place, b'GET / HTTP/1.1\\r\\nHost: evil.example\\r\\n\\r\\n'))\n\
             print(through(place, hello('allowed.example')[:60]))\n\
             print(through(place, b''))\n\
             # Where an address itself is configured, anything may be spoken to it.\n\
             print(through('127.0.0.1:{port}', b'anything'))"
        ))
        .await;
    assert_eq!(said, "got\ncut\ncut\ncut\ncut\ncut\ncut\ngot 8");
    let reached: Vec<usize> =
        server.got().iter().map(Vec::len).filter(|length| *length > 0).collect();
    assert_eq!(reached.len(), 2, "of what was cut, not a byte left: {reached:?}");
    let told = task.told().join("\n");
    for reason in ["is for `evil.example`, another host", "does not name its host", "is not TLS"] {
        assert!(told.contains(reason), "{reason}: {told}");
    }
    task.end().await;
}

#[tokio::test]
async fn the_host_header_must_name_the_host_that_is_asked() {
    let server = Server::start().await;
    let mut task = Task::start(&["allowed.example"], &[server.at.to_string()]).await;
    task.names.answer("allowed.example", &["127.0.0.1"]);
    let port = server.port();
    let said = task
        .python(&format!(
            "url = 'http://allowed.example:{port}/'\n\
             print(status(get(url, 'Host: allowed.example:{port}')))\n\
             print(status(get(url, 'Host: evil.example')))\n\
             print(status(get(url, 'Host: allowed.example')))\n\
             print(status(get(url, 'Host: allowed.example:{port}', 'Host: evil.example')))\n\
             print(status(get(url, 'Host: me@allowed.example:{port}')))"
        ))
        .await;
    assert_eq!(said, "200\n403\n403\n400\n400");
    assert_eq!(server.got().len(), 1);
    assert!(task.told().join("\n").contains("`Host` header names another host"));
    task.end().await;
}

#[tokio::test]
async fn every_spelling_of_a_name_gets_the_answer_of_the_canonical_one() {
    let server = Server::start().await;
    let task = Task::start(&["allowed.example"], &[server.at.to_string()]).await;
    task.names.answer("allowed.example", &["127.0.0.1"]);
    let port = server.port();
    let said = task
        .python(&format!(
            "for place in ['allowed.example:{port}', 'Allowed.EXAMPLE:{port}', 'allowed.example.:{port}']:\n\
             \x20   print(tunnel(place)[1], end=' ')\n\
             for place in ['xn--llowed-2nf.example:{port}', 'allowed.example..:{port}',\n\
             \x20             'allowed.example@evil.example:{port}', 'evil@allowed.example:{port}',\n\
             \x20             'allowed%2eexample:{port}', 'allowed.example:{port}:443', 'allowed.example',\n\
             \x20             'allowed.example:{port}/x', ':{port}', 'allowed.example:+{port}']:\n\
             \x20   print(tunnel(place)[1], end=' ')\n\
             print(ask(b'CONNECT allowed.example\\r\\n.evil.example:{port} HTTP/1.1\\r\\n\\r\\n'), end=' ')\n\
             print(ask('CONNECT аllowed.example:{port} HTTP/1.1\\r\\n\\r\\n'.encode()), end=' ')\n\
             print(ask(b'GET / HTTP/1.1\\r\\nHost: allowed.example\\r\\n\\r\\n'), end=' ')\n\
             print(ask(b'GET https://allowed.example/ HTTP/1.1\\r\\nHost: allowed.example\\r\\n\\r\\n'), end=' ')\n\
             print(ask(b'\\x16\\x03\\x01 garbage\\r\\n\\r\\n'))"
        ))
        .await;
    let codes: Vec<&str> = said.split(' ').collect();
    assert_eq!(codes[..3], ["200"; 3], "{said}");
    assert_eq!(codes[3], "403", "a look-alike is another name: {said}");
    assert!(codes[4..].iter().all(|code| ["400", "403"].contains(code)), "{said}");
    assert_eq!(codes.len(), 18);
    task.end().await;
}

#[tokio::test]
async fn a_name_is_looked_up_once_and_the_checked_address_is_connected_to() {
    let server = Server::start().await;
    let mut task =
        Task::start(&["rebind.example", "mixed.example"], &[server.at.to_string()]).await;
    let port = server.port();
    // The first answer is fine, every later one is not.
    task.names.answer("rebind.example", &["127.0.0.1"]);
    task.names.answer("rebind.example", &["169.254.169.254"]);
    task.names.answer("mixed.example", &["10.0.0.1", "127.0.0.1", "::1"]);
    let said = task
        .python(&format!(
            "print(status(get('http://rebind.example:{port}/')))\n\
             print(status(get('http://rebind.example:{port}/')))\n\
             print(status(get('http://mixed.example:{port}/')))"
        ))
        .await;
    assert_eq!(said, "200\n403\n200");
    assert_eq!(task.names.asked().len(), 3, "one look-up for each connection");
    assert_eq!(server.got().len(), 2);
    assert!(task.told().join("\n").contains("it leads to a link-local address"));
    task.end().await;
}

#[tokio::test]
async fn a_task_that_sends_too_much_is_cut_and_told_of() {
    let server = Server::start().await;
    let limits = EgressLimits { sent_bytes: 100_000, ..EgressLimits::default() };
    let private = [server.at.to_string()];
    let mut task = Task::start_with(&["allowed.example"], &private, limits).await;
    task.names.answer("allowed.example", &["127.0.0.1"]);
    let port = server.port();
    let said = task
        .python(&format!(
            "place = 'allowed.example:{port}'\n\
             print(through(place, hello('allowed.example') + b'x' * 50000).split()[0])\n\
             s, code = tunnel(place)\n\
             s.sendall(hello('allowed.example'))\n\
             try:\n\
             \x20   for n in range(100): s.sendall(b'x' * 10000)\n\
             \x20   s.shutdown(socket.SHUT_WR); print(rest(s))\n\
             except OSError: print('cut')\n\
             print(status(get('http://allowed.example:{port}/')))"
        ))
        .await;
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[0], "got");
    assert!(["cut", "b''"].contains(&lines[1]), "{said}");
    assert_eq!(lines[2], "403");
    assert!(task.told().join("\n").contains("the task has sent"));
    let Some(EgressEvent::Total { sent_bytes, .. }) = task.end().await else { panic!() };
    assert_eq!(sent_bytes, 100_000, "and not a byte more");
}

#[tokio::test]
async fn without_its_proxy_a_task_reaches_nothing() {
    let server = Server::start().await;
    let task = Task::start(&["allowed.example"], &[server.at.to_string()]).await;
    task.names.answer("allowed.example", &["127.0.0.1"]);
    let port = server.port();
    let control = format!("print(status(get('http://allowed.example:{port}/')))");
    assert_eq!(task.python(&control).await, "200");
    let Task { world, sandbox, serving, .. } = task;
    serving.end().await;
    let script = format!(
        "{INSIDE}\nfor port in (3128, {port}):\n    try: dial(port); print('reached')\n    \
         except OSError as e: print(e.strerror)"
    );
    let (_, said) = world.run(&sandbox, &["/usr/bin/python3", "-c", &script]).await;
    assert_eq!(said, "Connection refused\nConnection refused\n");
    assert_eq!(server.got().len(), 1);
    sandbox.stop().await;
}

#[tokio::test]
async fn a_configured_loopback_address_is_there_without_the_proxy_too() {
    let server = Server::start().await;
    let other = Server::start().await;
    let mut task = Task::start(&[], &[server.at.to_string()]).await;
    let (port, closed) = (server.port(), other.port());
    let said = task
        .python(&format!(
            "s = dial({port}); s.sendall(b'half'); s.shutdown(socket.SHUT_WR); print(rest(s).decode())\n\
             try: dial({closed}); print('reached')\n\
             except OSError as e: print(e.strerror)"
        ))
        .await;
    assert_eq!(said, "got 4\nConnection refused");
    assert_eq!(task.told(), [format!("connected 127.0.0.1:{port}")]);
    task.end().await;
}

#[tokio::test]
async fn many_connections_are_served_and_only_so_many_at_once() {
    let server = Server::start().await;
    let limits = EgressLimits { connections: 8, ..EgressLimits::default() };
    let task = Task::start_with(&[], &[server.at.to_string()], limits).await;
    let port = server.port();
    let said = task
        .python(&format!(
            "import threading\n\
             from concurrent.futures import ThreadPoolExecutor as Pool\n\
             with Pool(40) as pool:\n\
             \x20   codes = list(pool.map(lambda n: status(get('http://127.0.0.1:{port}/%d' % n)), range(400)))\n\
             print(len(codes), set(codes))\n\
             # Eight that say nothing hold every place; the ninth waits for one of them to go.\n\
             held = [tunnel('127.0.0.1:{port}')[0] for n in range(8)]\n\
             late = dial(); late.settimeout(1)\n\
             late.sendall(b'GET http://127.0.0.1:{port}/ HTTP/1.1\\r\\nHost: 127.0.0.1:{port}\\r\\n\\r\\n')\n\
             try: print(late.recv(1))\n\
             except TimeoutError: print('waits')\n\
             for s in held: s.close()\n\
             late.settimeout(30); print(status(head(late)))"
        ))
        .await;
    assert_eq!(said, "400 {'200'}\nwaits\n200");
    task.end().await;
}

#[tokio::test]
async fn one_task_does_not_reach_the_proxy_of_another() {
    let server = Server::start().await;
    let open = Task::start(&[], &[server.at.to_string()]).await;
    let closed = Task::start(&["elsewhere.example"], &[]).await;
    let url = format!("http://127.0.0.1:{}/", server.port());
    let script = format!("print(status(get('{url}')))");
    assert_eq!(open.python(&script).await, "200");
    assert_eq!(closed.python(&script).await, "403");
    open.end().await;
    closed.end().await;
}

#[tokio::test]
async fn connections_end_with_the_sandbox() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let task = Task::start(&[], &[at.to_string()]).await;
    let script = format!("{INSIDE}\ns = dial({})\ns.sendall(b'here')\nrest(s)", at.port());
    let argv = ["/usr/bin/python3", "-c", &script].iter().map(std::ffi::OsString::from).collect();
    let exec =
        gatepost_sandbox::Exec { argv, cwd: task.world.project.clone(), ..Default::default() };
    let mut process = task.sandbox.spawn(exec).await.unwrap();
    let (mut outside, _) = tokio::time::timeout(CEILING, listener.accept()).await.unwrap().unwrap();
    let mut here = [0; 4];
    outside.read_exact(&mut here).await.unwrap();
    task.sandbox.stop().await;
    // The kernel closes the inner end, and that closes ours.
    let end = tokio::time::timeout(CEILING, outside.read(&mut here)).await.unwrap();
    assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
    assert!(process.wait().await.is_err());
    task.serving.end().await;
}
