//! Why a call must not change anything beyond the host.

/// Why a call may change nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SuppressReason {
    /// The instance is thrown away afterwards.
    Trial,
    /// State is saved, perhaps more than once.
    Snapshot,
}

impl SuppressReason {
    /// What the guest is told.
    pub(crate) const fn message(self) -> &'static str {
        match self {
            Self::Trial => "a version is on trial; nothing is written or sent",
            Self::Snapshot => "state is being saved; nothing is written or sent",
        }
    }
}
