//! The network is empty: nothing of the host's or beyond can be reached.

use crate::support::World;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::net::UnixListener;
use std::time::Duration;

#[tokio::test]
async fn services_of_the_host_are_out_of_reach() {
    let world = World::new();
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    tcp.set_nonblocking(true).unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    udp.set_nonblocking(true).unwrap();
    // The positive control: from here it is reached.
    let port = tcp.local_addr().unwrap().port();
    std::net::TcpStream::connect_timeout(&tcp.local_addr().unwrap(), Duration::from_secs(5))
        .unwrap();
    tcp.accept().unwrap();
    let _unix = UnixListener::bind(world.project.join("docker.sock")).unwrap();
    let sandbox = world.start().await;
    let script = format!(
        "import socket, errno\n\
         def attempt(name, family, kind, address, proto=0):\n\
         \x20   try:\n\
         \x20       s = socket.socket(family, kind, proto)\n\
         \x20       s.settimeout(5)\n\
         \x20       s.connect(address)\n\
         \x20       s.send(b'x')\n\
         \x20       print(name, 'reached')\n\
         \x20   except OSError as e:\n\
         \x20       print(name, errno.errorcode.get(e.errno, e))\n\
         T, U, I = socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.AF_INET\n\
         attempt('loopback', I, T, ('127.0.0.1', {port}))\n\
         attempt('six', socket.AF_INET6, T, ('::1', {port}))\n\
         attempt('nowhere', I, T, ('192.0.2.1', 80))\n\
         attempt('resolver', I, U, ('1.1.1.1', 53))\n\
         attempt('metadata', I, T, ('169.254.169.254', 80))\n\
         attempt('multicast', I, U, ('224.0.0.1', 53))\n\
         attempt('icmp', I, U, ('127.0.0.1', 1), 1)\n\
         attempt('raw', I, socket.SOCK_RAW, ('127.0.0.1', 1), 1)\n\
         attempt('file', socket.AF_UNIX, T, '{}')\n\
         attempt('abstract', socket.AF_UNIX, T, '\\0/tmp/.X11-unix/X0')\n\
         a, b = socket.socketpair()\n\
         a.send(b'pair')\n\
         print(b.recv(9).decode())\n\
         l = socket.socket(I, T); l.bind(('127.0.0.1', 0)); l.listen()\n\
         c = socket.socket(I, T); c.connect(l.getsockname()); print('own loopback')\n",
        world.project.join("docker.sock").display()
    );
    let (_, said) = world.run(&sandbox, &["/usr/bin/python3", "-c", &script]).await;
    assert_eq!(
        said,
        "loopback ECONNREFUSED\nsix ECONNREFUSED\nnowhere ENETUNREACH\nresolver ENETUNREACH\n\
         metadata ENETUNREACH\nmulticast ENETUNREACH\nicmp EPERM\nraw EPERM\nfile EPERM\n\
         abstract EPERM\npair\nown loopback\n"
    );
    assert!(tcp.accept().is_err() && udp.recv(&mut [0]).is_err());
    let (_, said) = world
        .sh(&sandbox, "tail -n +3 /proc/net/dev | cut -d: -f1; tail -n +2 /proc/net/route")
        .await;
    assert_eq!(said.trim(), "lo");
    sandbox.stop().await;
}

#[tokio::test]
async fn names_are_not_resolved_anywhere() {
    let world = World::new();
    let sandbox = world.start().await;
    let (_, said) =
        world.sh(&sandbox, "getent hosts example.com || echo none; getent hosts localhost").await;
    assert!(said.starts_with("none\n"), "{said}");
    assert!(said.contains("localhost"), "{said}");
    sandbox.stop().await;
}
