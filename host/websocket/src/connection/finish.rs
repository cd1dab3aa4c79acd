//! The end of a connection: the last words go out, and the peer gets to read them.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Connection, MaybeTlsStream, Phase};
use narrowboat_core::close_frame::CloseFrame;

/// Bytes read and thrown away so that a failing socket closes without a reset.
const MAX_DRAINED_BYTES: usize = 64 * 1024 * 1024;

impl Connection {
    /// Brings the connection to its end: what is queued, then a Close with `closure` where one is
    /// to be told, the peer's answer, and the end of the stream; all within the close time-out.
    pub async fn finish(mut self, closure: Option<CloseFrame>) {
        let limit = self.timeouts.close_timeout;
        if let Some(closure) = closure {
            self.handle.outbound.close(closure);
        }
        // Whoever does not end in time is dropped as it is.
        let _ = tokio::time::timeout(limit, self.close_and_drain()).await;
        self.handle.outbound.mark_closed();
    }

    async fn close_and_drain(&mut self) {
        while !matches!(self.phase, Phase::Ended) {
            let _ = self.next_event(false).await;
        }
        std::future::poll_fn(|cx| self.poll_write(cx)).await;
        drain_until_eof(self.socket.stream_mut()).await;
    }
}

/// Ends our side and reads until the peer ends its own: closing a socket with unread bytes would
/// reset it, and the peer could lose our last words.
pub(crate) async fn drain_until_eof(stream: &mut MaybeTlsStream) {
    let mut discarded = [0; 1024];
    let mut left = MAX_DRAINED_BYTES;
    if stream.shutdown().await.is_ok() {
        while let Ok(read @ 1..) = stream.read(&mut discarded).await {
            left = left.saturating_sub(read);
            if left == 0 {
                return;
            }
        }
    }
}
