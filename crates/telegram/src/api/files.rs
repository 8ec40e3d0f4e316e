//! Fetching what people sent.

use teloxide::payloads::GetFile;
use teloxide::types::FileId;

use super::Api;
use super::Done;
use super::Trouble;

impl Api {
    /// The bytes of a file that waits at Telegram. Asking twice changes nothing, so every trouble
    /// but a refusal may be tried again.
    ///
    /// A file of more than `most` bytes is too large; no more than that is read of it.
    pub(crate) async fn fetch(&self, id: &str, most: u64) -> Done<Vec<u8>> {
        let too_big = || Trouble::TooLarge(format!("the file has more than {most} bytes"));
        let file = self.call(&GetFile::new(FileId(id.to_owned()))).await?;
        if file.meta.size != u32::MAX && u64::from(file.meta.size) > most {
            return Err(too_big());
        }
        // A server of one's own may say where it keeps the file on its disk; only what it serves
        // is fetched.
        let way = file.path.trim_start_matches('/');
        if way.is_empty() || way.split('/').any(|part| part == "..") {
            return Err(Trouble::Refused("the server names no file".into()));
        }
        let mut response = self
            .client
            .get(self.file_url(way))
            .send()
            .await
            .map_err(|error| Trouble::from(self.network(error)))?;
        let status = response.status();
        if !status.is_success() {
            let why = format!("the file's address answers with status {status}");
            return Err(if status.is_client_error() {
                Trouble::Refused(why)
            } else {
                Trouble::NotReached(why)
            });
        }
        let mut bytes = Vec::new();
        while let Some(piece) =
            response.chunk().await.map_err(|error| Trouble::from(self.network(error)))?
        {
            if (bytes.len() + piece.len()) as u64 > most {
                return Err(too_big());
            }
            bytes.extend_from_slice(&piece);
        }
        // A connection that ends early looks like the end of a file without a length.
        if file.meta.size != u32::MAX && bytes.len() as u64 != u64::from(file.meta.size) {
            let got = bytes.len();
            return Err(Trouble::Lost(format!("{got} bytes came of {}", file.meta.size)));
        }
        Ok(bytes)
    }
}
