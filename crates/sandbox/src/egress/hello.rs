//! The first message of TLS, read only as far as the name of the host it is for (RFC 8446, RFC
//! 6066). Nothing is decrypted: the name is sent in the clear.

use super::refusal::Refusal;
use tokio::io::{AsyncRead, AsyncReadExt};

/// The most that is read of it. Post-quantum keys make it about two kilobytes; more than this is
/// no hello.
const MOST: usize = 16 * 1024;

const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const SERVER_NAME: u16 = 0;
const ENCRYPTED_CLIENT_HELLO: u16 = 0xfe0d;

/// What a hello says of its host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hello {
    /// The host it is for, as written.
    pub(super) name: Option<String>,
    /// Whether another name may be hidden in it.
    pub(super) encrypted: bool,
}

/// Reads a whole hello; also gives back every byte that was read.
pub(super) async fn read(
    stream: &mut (impl AsyncRead + Unpin),
) -> Result<(Hello, Vec<u8>), Refusal> {
    let mut bytes = Vec::new();
    let mut message = Vec::new();
    loop {
        let mut header = [0_u8; 5];
        exact(stream, &mut header).await?;
        let [kind, major, _minor, high, low] = header;
        let length = usize::from(u16::from_be_bytes([high, low]));
        if kind != HANDSHAKE || major != 3 || length == 0 || bytes.len() + length > MOST {
            return Err(Refusal::NotTls);
        }
        let mut part = vec![0; length];
        exact(stream, &mut part).await?;
        bytes.extend_from_slice(&header);
        bytes.extend_from_slice(&part);
        message.extend_from_slice(&part);
        // A hello may be cut into several records.
        let mut reader = Reader(&message);
        let (Some(kind), Some(size)) = (reader.byte(), reader.number(3)) else { continue };
        if kind != CLIENT_HELLO || size > MOST {
            return Err(Refusal::NotTls);
        }
        if reader.0.len() < size {
            continue;
        }
        let body = reader.take(size).ok_or(Refusal::NotTls)?;
        // Nothing honest comes behind it before the server has answered.
        if !reader.0.is_empty() {
            return Err(Refusal::NotTls);
        }
        return Ok((parse(body).ok_or(Refusal::NotTls)?, bytes));
    }
}

async fn exact(stream: &mut (impl AsyncRead + Unpin), into: &mut [u8]) -> Result<(), Refusal> {
    stream.read_exact(into).await.map(|_| ()).map_err(|_| Refusal::NotTls)
}

/// Reads the body of the message.
fn parse(body: &[u8]) -> Option<Hello> {
    let mut reader = Reader(body);
    reader.take(2 + 32)?; // version and random
    let session = reader.number(1)?;
    reader.take(session)?;
    let suites = reader.number(2)?;
    reader.take(suites)?;
    let compressions = reader.number(1)?;
    reader.take(compressions)?;
    let mut hello = Hello { name: None, encrypted: false };
    if reader.0.is_empty() {
        return Some(hello);
    }
    let size = reader.number(2)?;
    let mut extensions = Reader(reader.take(size)?);
    if !reader.0.is_empty() {
        return None;
    }
    while !extensions.0.is_empty() {
        let kind = u16::try_from(extensions.number(2)?).ok()?;
        let size = extensions.number(2)?;
        let content = extensions.take(size)?;
        match kind {
            // Two names would leave open which one counts.
            SERVER_NAME if hello.name.is_some() => return None,
            SERVER_NAME => hello.name = Some(server_name(content)?),
            ENCRYPTED_CLIENT_HELLO => hello.encrypted = true,
            _ => {}
        }
    }
    Some(hello)
}

fn server_name(content: &[u8]) -> Option<String> {
    let mut reader = Reader(content);
    let size = reader.number(2)?;
    let mut names = Reader(reader.take(size)?);
    let kind = names.byte()?;
    let size = names.number(2)?;
    let name = names.take(size)?;
    if kind != 0 || !names.0.is_empty() || !reader.0.is_empty() {
        return None;
    }
    String::from_utf8(name.to_vec()).ok()
}

/// What is left to read.
struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    fn take(&mut self, count: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1).and_then(|bytes| bytes.first().copied())
    }

    fn number(&mut self, bytes: usize) -> Option<usize> {
        let taken = self.take(bytes)?;
        Some(taken.iter().fold(0, |number, byte| number << 8 | usize::from(*byte)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A hello with these extensions, cut into records of at most `cut` bytes.
    fn hello(extensions: &[(u16, Vec<u8>)], cut: usize) -> Vec<u8> {
        let two = |n: usize| u16::try_from(n).unwrap().to_be_bytes().to_vec();
        let mut body =
            [vec![3, 3], vec![7; 32], vec![0], two(2), vec![0x13, 1], vec![1, 0]].concat();
        let all: Vec<u8> = extensions
            .iter()
            .flat_map(|(kind, content)| {
                [kind.to_be_bytes().to_vec(), two(content.len()), content.clone()].concat()
            })
            .collect();
        body.extend(two(all.len()));
        body.extend(all);
        let mut message = vec![CLIENT_HELLO, 0];
        message.extend(two(body.len()));
        message.extend(body);
        message
            .chunks(cut)
            .flat_map(|part| [vec![HANDSHAKE, 3, 1], two(part.len()), part.to_vec()].concat())
            .collect()
    }

    fn name(name: &str) -> (u16, Vec<u8>) {
        let two = |n: usize| u16::try_from(n).unwrap().to_be_bytes().to_vec();
        let entry = [vec![0], two(name.len()), name.as_bytes().to_vec()].concat();
        (SERVER_NAME, [two(entry.len()), entry].concat())
    }

    async fn read_all(bytes: &[u8]) -> Result<Hello, Refusal> {
        let (hello, read) = read(&mut &bytes[..]).await?;
        assert_eq!(read, bytes, "every byte that was read is passed on");
        Ok(hello)
    }

    #[tokio::test]
    async fn the_name_is_found_however_the_hello_is_cut() {
        for cut in [1, 5, 40, 4000] {
            let bytes = hello(&[(43, vec![2, 3, 4]), name("docs.rs")], cut);
            let found = read_all(&bytes).await.unwrap();
            assert_eq!(found, Hello { name: Some("docs.rs".into()), encrypted: false });
        }
        assert_eq!(read_all(&hello(&[], 4000)).await.unwrap().name, None);
        let hidden = hello(&[name("front.example"), (ENCRYPTED_CLIENT_HELLO, vec![0; 9])], 4000);
        assert!(read_all(&hidden).await.unwrap().encrypted);
    }

    #[tokio::test]
    async fn what_is_no_hello_is_no_tls() {
        let twice = hello(&[name("docs.rs"), name("evil.example")], 4000);
        let mut behind = hello(&[name("docs.rs")], 4000);
        behind[4] += 1;
        behind.push(0);
        let mut server = hello(&[name("docs.rs")], 4000);
        server[5] = 2;
        let short = hello(&[name("docs.rs")], 4000)[..30].to_vec();
        let http = b"GET / HTTP/1.1\r\nHost: docs.rs\r\n\r\n".to_vec();
        let ssh = b"SSH-2.0-OpenSSH_9.2\r\n".to_vec();
        for bytes in [twice, behind, server, short, http, ssh, Vec::new()] {
            assert_eq!(read_all(&bytes).await, Err(Refusal::NotTls), "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn any_body_is_read_or_refused(body in prop::collection::vec(any::<u8>(), 0..300)) {
            let _hello = parse(&body);
        }
    }
}
