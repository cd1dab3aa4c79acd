//! Errors of accept.

use std::io;
use std::time::Duration;

/// The pause before the next accept when the system has no more sockets.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(100);

/// Ignores an error that the peer caused. Logs any other error, and waits: the system may be out of sockets, and some
/// may close meanwhile.
pub(crate) async fn handle_accept_error(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    if !matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted) {
        tracing::warn!(%error, "cannot accept a connection; is the open-file limit too low?");
        tokio::time::sleep(ACCEPT_RETRY_DELAY).await;
    }
}
