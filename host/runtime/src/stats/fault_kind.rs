//! Kinds of faults, for metrics.

use narrowboat_core::fault::GuestFault;

/// The kind of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// The guest trapped.
    Trap,
    /// The call ran past its time limit.
    Timeout,
    /// The guest returned an error.
    Error,
    /// The guest broke the contract, or exceeded a quota.
    Contract,
}

impl FaultKind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Trap, Self::Timeout, Self::Error, Self::Contract];

    /// The name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Trap => "trap",
            Self::Timeout => "timeout",
            Self::Error => "error",
            Self::Contract => "contract",
        }
    }

    pub(super) fn of(fault: &GuestFault) -> Self {
        match fault {
            GuestFault::Trap(_) | GuestFault::InstanceLost => Self::Trap,
            GuestFault::TimeLimitExceeded { .. } => Self::Timeout,
            GuestFault::Error(_) => Self::Error,
            GuestFault::ContractViolation(_)
            | GuestFault::QuotaExceeded(_)
            | GuestFault::RoomUnavailable(_)
            | GuestFault::RoomElsewhere(_) => Self::Contract,
        }
    }
}
