//! The state of a named channel's reader.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};

use narrowboat_core::message::Message;

/// The state of a named channel's reader. The reader takes a message from the key only when the mailbox is empty, since
/// other hosts may take the messages that wait.
///
/// A message that it has taken reaches the mailbox or goes back to the key. So the reader ends only when every pop has
/// a reply, and the next reader of the channel begins after that.
pub(super) struct NamedChannelReader {
    /// Notified when the mailbox is empty, or was dropped.
    pub(super) drained_notify: Arc<Notify>,
    is_closed: AtomicBool,
    /// The ID of the connection on which a pop waits for a message, or 0.
    blocked_connection_id: AtomicI64,
    /// The messages that were put into the mailbox since it was last empty, each with its score in the key.
    delivered_scores: Mutex<Vec<(Message, f64)>>,
    /// Held while the reader reads. The readers of one channel share it.
    read_permit: Arc<Semaphore>,
    /// Whether the reader has put back the messages that it had taken.
    has_ended: watch::Sender<bool>,
}

/// Marks a reader as ended when dropped, also when its task is aborted.
pub(super) struct ReaderEndGuard<'a>(&'a NamedChannelReader);

impl Drop for ReaderEndGuard<'_> {
    fn drop(&mut self) {
        self.0.has_ended.send_replace(true);
    }
}

impl NamedChannelReader {
    /// Creates a reader that begins when the previous reader of the channel has ended.
    pub(super) fn new_after(previous: Option<&Self>) -> Self {
        let read_permit = previous
            .map_or_else(|| Arc::new(Semaphore::new(1)), |reader| Arc::clone(&reader.read_permit));
        Self {
            drained_notify: Arc::default(),
            is_closed: AtomicBool::new(false),
            blocked_connection_id: AtomicI64::new(0),
            delivered_scores: Mutex::default(),
            read_permit,
            has_ended: watch::Sender::new(false),
        }
    }

    /// Waits until the previous reader has ended. The permit is `None` only if the semaphore is closed, which never
    /// happens.
    pub(super) async fn acquire_read_permit(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.read_permit).acquire_owned().await.ok()
    }

    /// Returns the guard that marks the reader as ended.
    pub(super) fn end_guard(&self) -> ReaderEndGuard<'_> {
        ReaderEndGuard(self)
    }

    /// Ends the reader, since the mailbox was dropped. Returns the ID of the connection on which a pop waits.
    pub(super) fn close(&self) -> Option<i64> {
        self.is_closed.store(true, Ordering::SeqCst);
        self.drained_notify.notify_one();
        Some(self.blocked_connection_id.load(Ordering::SeqCst)).filter(|id| *id != 0)
    }

    /// Whether the mailbox was dropped.
    pub(super) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::SeqCst)
    }

    /// Sets the ID of the connection on which a pop waits.
    pub(super) fn set_blocked(&self, connection_id: i64) {
        self.blocked_connection_id.store(connection_id, Ordering::SeqCst);
    }

    /// Records that no pop waits.
    pub(super) fn clear_blocked(&self) {
        self.blocked_connection_id.store(0, Ordering::SeqCst);
    }

    /// Waits until a closed reader has put back the messages that it had taken. Does not wait for the next reader of
    /// the channel.
    pub(super) async fn wait_until_ended(&self) {
        let _ = self.has_ended.subscribe().wait_for(|has_ended| *has_ended).await;
    }

    /// Records the score of a message that is put into the mailbox.
    pub(super) fn record_score(&self, message: Message, score: f64) {
        self.lock_delivered_scores().push((message, score));
    }

    /// Forgets the scores, since the mailbox is empty.
    pub(super) fn clear_scores(&self) {
        self.lock_delivered_scores().clear();
    }

    /// Returns the score of a message in the mailbox, or `None` if it did not come from the key.
    pub(super) fn score_of(&self, message: &Message) -> Option<f64> {
        let delivered = self.lock_delivered_scores();
        let found = delivered.iter().find(|(other, _)| {
            // A clone of a message shares its bytes.
            std::ptr::eq(other.bytes().as_ptr(), message.bytes().as_ptr())
        });
        found.map(|(_, score)| *score)
    }

    fn lock_delivered_scores(&self) -> MutexGuard<'_, Vec<(Message, f64)>> {
        self.delivered_scores.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn end_of_a_reader_is_reported_while_the_next_one_reads() {
        let wait_limit = Duration::from_secs(8);
        let previous = NamedChannelReader::new_after(None);
        let end_guard = previous.end_guard();
        previous.close();
        let next = NamedChannelReader::new_after(Some(&previous));
        let _permit = next.acquire_read_permit().await.unwrap();
        assert!(timeout(wait_limit, previous.wait_until_ended()).await.is_err());
        drop(end_guard);
        timeout(wait_limit, previous.wait_until_ended()).await.unwrap();
    }
}
