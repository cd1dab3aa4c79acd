//! The operations of a queue, as the queue sees them.

use std::hash::Hash;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::lease_request::LeaseRequest;
use crate::LayerError;

/// Sends the result of a barrier: that every operation before it is done.
pub(crate) type BarrierSender = oneshot::Sender<Result<(), LayerError>>;

/// One operation of an [`OperationQueue`](super::operation_queue::OperationQueue).
pub(crate) trait QueueOperation: Sized + Send + 'static {
    /// Identifies a membership.
    type Key: Eq + Hash + Send;

    /// Returns the key of a membership, and `None` for any other operation.
    fn key(&self) -> Option<Self::Key>;

    /// Whether the operation is a membership that the next connection writes anyway, from what this process knows.
    fn is_restorable(&self) -> bool;

    /// Returns the bytes of a message.
    fn payload_bytes(&self) -> usize;

    /// Returns the time at which a message was sent, and `None` for any other operation.
    fn sent_at(&self) -> Option<Instant>;

    /// Returns how the queue treats the operation.
    fn kind(&self) -> OperationKind;

    /// Makes a barrier, which completes when every operation before it is done.
    fn from_barrier(barrier: BarrierSender) -> Self;

    /// Makes the operation that acquires a lease.
    fn from_lease_request(request: LeaseRequest) -> Self;
}

/// How the queue treats an operation.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum OperationKind {
    /// A message, which waits for a server that is unreachable.
    Message,
    /// The begin or end of a membership, which this process knows without the queue.
    Membership,
    /// Any other operation, which fails if a server is unreachable.
    Other,
}
