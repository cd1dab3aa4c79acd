//! The end of a connection: the last words go out, and the peer gets to read them.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Connection, Phase, Stream};
use narrowboat_core::closure::Closure;

/// Bytes read and thrown away so that a failing socket closes without a reset.
const LINGER_BYTES: usize = 64 * 1024 * 1024;

impl Connection {
    /// Brings the connection to its end: what is queued, then a Close with `closure` where one is
    /// to be told, the peer's answer, and the end of the stream; all within the close time-out.
    pub async fn finish(mut self, closure: Option<Closure>) {
        let limit = self.patience.close;
        if let Some(closure) = closure {
            self.link.outbound.close(closure);
        }
        // Whoever does not end in time is dropped as it is.
        let _ = tokio::time::timeout(limit, self.wind_up()).await;
        self.link.outbound.shut();
    }

    async fn wind_up(&mut self) {
        while !matches!(self.phase, Phase::Ended) {
            let _ = self.next(false).await;
        }
        std::future::poll_fn(|cx| self.poll_write(cx)).await;
        linger(self.socket.stream()).await;
    }
}

/// Ends our side and reads until the peer ends its own: closing a socket with unread bytes would
/// reset it, and the peer could lose our last words.
pub(crate) async fn linger(stream: &mut Stream) {
    let mut discarded = [0; 1024];
    let mut left = LINGER_BYTES;
    if stream.shutdown().await.is_ok() {
        while let Ok(read @ 1..) = stream.read(&mut discarded).await {
            left = left.saturating_sub(read);
            if left == 0 {
                return;
            }
        }
    }
}
