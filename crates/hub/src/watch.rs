//! Watching records as they become durable.

use std::pin::Pin;
use std::sync::Arc;
use std::task::Context;
use std::task::Poll;

use gatepost_domain::Record;
use tokio::sync::broadcast;
use tokio_stream::Stream;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::BroadcastStream;

/// How many records a watcher may fall behind. A record is held once for all watchers, so this
/// costs little; a browser on a slow line keeps up with it.
pub(crate) const BACKLOG: usize = 1024;

/// Every record from the moment it was made, in order and without a gap. It ends when the hub does,
/// or when its reader falls too far behind: whoever is cut off reads the tasks again and watches
/// anew, which a stream with a silent gap would not tell them to do.
#[derive(Debug)]
pub struct Watch {
    news: Option<BroadcastStream<Arc<Record>>>,
}

impl Watch {
    pub(crate) fn new(news: Option<broadcast::Receiver<Arc<Record>>>) -> Self {
        Self { news: news.map(BroadcastStream::new) }
    }

    /// The next record; none when the watch has ended.
    pub async fn next(&mut self) -> Option<Arc<Record>> {
        StreamExt::next(self).await
    }
}

impl Stream for Watch {
    type Item = Arc<Record>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(news) = &mut self.news else { return Poll::Ready(None) };
        match Pin::new(news).poll_next(cx) {
            Poll::Ready(Some(Ok(record))) => Poll::Ready(Some(record)),
            Poll::Ready(Some(Err(_)) | None) => {
                self.news = None;
                Poll::Ready(None)
            }
            Poll::Pending => Poll::Pending,
        }
    }
}
