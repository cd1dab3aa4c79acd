//! Kinds of faults, for metrics.

use narrowboat_core::fault::GuestFault;

/// Kinds of what a guest does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// It trapped.
    Trap,
    /// It ran past its time.
    Timeout,
    /// It returned an error.
    Error,
    /// It broke the contract.
    Contract,
}

impl FaultKind {
    /// Each of them.
    pub const ALL: [Self; 4] = [Self::Trap, Self::Timeout, Self::Error, Self::Contract];

    /// For figures.
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
            GuestFault::Trap(_) | GuestFault::SharedInstanceFailed => Self::Trap,
            GuestFault::TimeLimitExceeded { .. } => Self::Timeout,
            GuestFault::Error(_) => Self::Error,
            GuestFault::ContractViolation(_) | GuestFault::QuotaExceeded(_) => Self::Contract,
        }
    }
}
