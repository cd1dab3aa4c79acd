//! Tasks that put frames of Redis into the mailboxes of this process.

use narrowboat_core::deferred_flush::FlushList;
use narrowboat_core::flush_after_poll::FlushAfterPoll;

/// Writes the frames for resting connections at the end of each poll of a task. Many connections are shared with other
/// tasks of the runtime.
pub(crate) fn flushing_task<T>(task: impl Future<Output = T>) -> impl Future<Output = T> {
    FlushAfterPoll::new(task, |list: FlushList| {
        list.flush_in_pieces(|piece| drop(tokio::spawn(async { piece.flush() })));
    })
}
