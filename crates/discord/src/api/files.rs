//! Fetching what people sent.

use super::Api;
use super::Fault;

/// Where Discord keeps files (<https://discord.com/developers/docs/reference#image-formatting>).
const HOSTS: [&str; 2] = ["cdn.discordapp.com", "media.discordapp.net"];

/// Why a file was not fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unfetched {
    /// It is larger than is taken.
    TooLarge,
    /// Anything else.
    Fault(Fault),
}

impl From<Fault> for Unfetched {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl Api {
    /// The bytes of a file; no more than `most` and one are read. The address is signed and holds for
    /// a while only (<https://discord.com/developers/docs/reference#signed-attachment-cdn-urls>), so it
    /// is fetched when the message comes. No token goes there.
    pub(crate) async fn fetch(&self, url: &str, most: u64) -> Result<Vec<u8>, Unfetched> {
        if !self.is_file(url) {
            let text = "its address is none of Discord's".to_owned();
            return Err(Fault::Refused { code: 0, text }.into());
        }
        let mut response =
            self.client.get(url).send().await.map_err(|error| self.network(error))?;
        let status = response.status();
        if !status.is_success() {
            let why = format!("the file's address answers with status {}", status.as_u16());
            return Err(Unfetched::Fault(if status.is_client_error() {
                Fault::Refused { code: 0, text: why }
            } else {
                Fault::NotReached(why)
            }));
        }
        let whole = response.content_length();
        if whole.is_some_and(|length| length > most) {
            return Err(Unfetched::TooLarge);
        }
        let mut bytes = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(|error| self.network(error))? {
            if (bytes.len() + piece.len()) as u64 > most {
                return Err(Unfetched::TooLarge);
            }
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes)
    }

    /// Whether an address is one where Discord, or the proxy that stands for it, keeps files.
    fn is_file(&self, url: &str) -> bool {
        let Ok(url) = url.parse::<reqwest::Url>() else { return false };
        let known = url.scheme() == "https" && url.host_str().is_some_and(|it| HOSTS.contains(&it));
        let base = self.base.parse::<reqwest::Url>();
        known || base.is_ok_and(|base| base.host_str() == url.host_str() && self.is_proxied())
    }

    fn is_proxied(&self) -> bool {
        &*self.base != super::PUBLIC
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::Token;

    #[test]
    fn files_are_fetched_from_where_discord_keeps_them_and_nowhere_else() {
        let token = || Token::parse("700.abc.SECRETSECRET").unwrap();
        let public = Api::new(token(), None).unwrap();
        let proxied = Api::new(token(), Some("http://127.0.0.1:8082")).unwrap();
        let kept = "https://cdn.discordapp.com/attachments/1/2/a.txt?ex=1&is=2&hm=3";
        assert!(public.is_file(kept) && proxied.is_file(kept));
        assert!(proxied.is_file("http://127.0.0.1:9000/attachments/1/2/a.txt"));
        for url in [
            "http://127.0.0.1:9000/a",
            "http://cdn.discordapp.com/a",
            "https://cdn.discordapp.com.evil.example/a",
            "https://discord.com/api/v10/users/@me",
            "file:///etc/passwd",
        ] {
            assert!(!public.is_file(url), "{url}");
        }
    }
}
