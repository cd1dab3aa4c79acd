//! The end of a stream.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::client_stream::ClientStream;

/// The number of bytes that are read and dropped before the socket is closed all the same.
const MAX_DRAINED_BYTES: usize = 64 * 1024 * 1024;

/// Shuts down the writing side of a stream, and reads until the peer closes its side. Closing a socket with unread
/// bytes would reset it, and the peer could lose the last bytes that this side wrote.
pub(crate) async fn drain_until_eof(stream: &mut ClientStream) {
    let mut discarded = [0; 1024];
    let mut remaining = MAX_DRAINED_BYTES;
    if stream.shutdown().await.is_ok() {
        while let Ok(count @ 1..) = stream.read(&mut discarded).await {
            remaining = remaining.saturating_sub(count);
            if remaining == 0 {
                return;
            }
        }
    }
}
