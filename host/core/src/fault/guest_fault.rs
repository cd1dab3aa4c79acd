//! Failures of guests.

use std::time::Duration;

use thiserror::Error;

/// A fault of a guest.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum GuestFault {
    /// The guest trapped. Its instance is lost.
    #[error("trap: {0}")]
    Trap(String),
    /// The guest ran longer than its time limit and was stopped. Its instance is lost.
    #[error("ran longer than its {limit} of {} ms", time.as_millis())]
    TimeLimitExceeded {
        /// The configuration key of the limit.
        limit: &'static str,
        /// The limit.
        time: Duration,
    },
    /// The instance is lost without a fault of this consumer: another consumer of the shared instance trapped, or a panic
    /// of the host ended a call.
    #[error("its instance is lost")]
    InstanceLost,
    /// The plugin or its tenant reached a limit, whose configuration key this is. If a call reached it by touching
    /// memory, the instance is lost.
    #[error("the limit {0} is reached")]
    QuotaExceeded(&'static str),
    /// The room of the connection cannot be opened now: its state cannot be read, or belongs to a newer version.
    #[error("its room cannot be opened: {0}")]
    RoomUnavailable(String),
    /// Another host owns the room of the connection. Its lease ends after this time, unless that host renews it.
    #[error("another host owns the room")]
    RoomElsewhere(Duration),
    /// The guest returned an error that blames the plugin.
    #[error("returned an error: {0}")]
    Error(String),
    /// The guest broke the contract, for example with a close code that is reserved.
    #[error("broke the contract: {0}")]
    ContractViolation(String),
}
