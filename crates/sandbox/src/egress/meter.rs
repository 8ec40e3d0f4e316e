//! A connection that counts, and that ends when the task has sent all it may.

use super::seen::Seen;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;

/// When something last passed over a connection.
#[derive(Debug, Clone)]
pub(super) struct Activity {
    begun: Instant,
    last_ms: Arc<AtomicU64>,
}

impl Activity {
    fn new() -> Self {
        Self { begun: Instant::now(), last_ms: Arc::default() }
    }

    fn note(&self) {
        let now = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last_ms.store(now, Ordering::Relaxed);
    }

    /// Returns when nothing has passed for so long.
    pub(super) async fn quiet_for(&self, long: Duration) {
        loop {
            let last = self.begun + Duration::from_millis(self.last_ms.load(Ordering::Relaxed));
            if last.elapsed() >= long {
                return;
            }
            tokio::time::sleep_until(last + long).await;
        }
    }
}

/// The way to a host, counted for the whole task.
#[derive(Debug)]
pub(super) struct Metered {
    inner: TcpStream,
    seen: Arc<Seen>,
    most_sent: u64,
    activity: Activity,
}

impl Metered {
    pub(super) fn new(inner: TcpStream, seen: Arc<Seen>, most_sent: u64) -> Self {
        Self { inner, seen, most_sent, activity: Activity::new() }
    }

    pub(super) fn activity(&self) -> Activity {
        self.activity.clone()
    }
}

/// Whether a write failed because the task has sent all it may.
pub(super) fn is_spent(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut error = Some(error);
    while let Some(this) = error {
        if let Some(io) = this.downcast_ref::<io::Error>()
            && io.kind() == io::ErrorKind::QuotaExceeded
        {
            return true;
        }
        error = this.source();
    }
    false
}

impl AsyncRead for Metered {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
        let count = buf.filled().len().saturating_sub(before);
        self.seen.received.fetch_add(count as u64, Ordering::Relaxed);
        self.activity.note();
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Metered {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let left = self.most_sent.saturating_sub(self.seen.sent.load(Ordering::Relaxed));
        if left == 0 && !buf.is_empty() {
            return Poll::Ready(Err(io::ErrorKind::QuotaExceeded.into()));
        }
        let end = buf.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let part = buf.get(..end).unwrap_or_default();
        let count = ready!(Pin::new(&mut self.inner).poll_write(cx, part))?;
        self.seen.sent.fetch_add(count as u64, Ordering::Relaxed);
        self.activity.note();
        Poll::Ready(Ok(count))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
