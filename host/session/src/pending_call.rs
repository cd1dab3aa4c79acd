//! A call that has been started.

use std::pin::Pin;

use narrowboat_runtime::Instance;

/// Work in an instance that runs outside the session's task. It returns its result, and the instance if the instance
/// is the session's own.
pub(super) type CallFuture<T> = Pin<Box<dyn Future<Output = (T, Option<Box<Instance>>)> + Send>>;

/// Work in an instance that has been started.
pub(super) enum PendingCall<T> {
    /// The work ran on this task and has ended.
    Ready(T),
    /// The work runs elsewhere.
    Running(CallFuture<T>),
}
