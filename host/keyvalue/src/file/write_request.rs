//! The requests to the writer thread.

use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::KeyvalueError;
use crate::expiry_change::ExpiryChange;

/// A change of entries. The keys are those of the file.
#[derive(Debug)]
pub(super) enum Change {
    /// Sets all entries, or none.
    Set {
        entries: Vec<(Vec<u8>, Vec<u8>)>,
        ttl: Option<Duration>,
        quota: u64,
    },
    Delete {
        keys: Vec<Vec<u8>>,
    },
    Increment {
        key: Vec<u8>,
        delta: i64,
        quota: u64,
    },
    CompareAndSet {
        key: Vec<u8>,
        expected: Option<Vec<u8>>,
        value: Vec<u8>,
        quota: u64,
    },
    SetTtl {
        key: Vec<u8>,
        change: ExpiryChange<Duration>,
    },
}

/// The outcome of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Done,
    Sum(i64),
    /// Whether the key had the value that was expected, or was there.
    Matched(bool),
}

/// The result of a change, or why it failed.
pub(super) type ChangeResult = Result<Outcome, KeyvalueError>;

/// The bytes of the file before and after a compaction.
pub(super) type CompactResult = Result<(u64, u64), KeyvalueError>;

/// A request to the writer thread.
#[derive(Debug)]
pub(super) enum WriteRequest {
    Change(PendingChange),
    Compact(oneshot::Sender<CompactResult>),
    /// Ends the thread.
    Stop,
}

/// A change, and who waits for its result.
#[derive(Debug)]
pub(super) struct PendingChange {
    pub(super) change: Change,
    pub(super) reply: oneshot::Sender<ChangeResult>,
    /// The room that the change takes in the queue.
    pub(super) _room: OwnedSemaphorePermit,
}

/// The error of an operation that finds the thread gone.
pub(super) fn writer_gone() -> KeyvalueError {
    KeyvalueError::Unavailable("the store is closed".to_owned())
}
