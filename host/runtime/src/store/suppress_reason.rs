//! Why a call must not change anything beyond the host.

/// Why a call must not change anything beyond the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SuppressReason {
    /// The instance is a trial and is dropped afterwards.
    Trial,
    /// The instance compiles or loads the source of its plugin.
    Load,
    /// The call saves state, perhaps more than once.
    Snapshot,
}

impl SuppressReason {
    /// The text of the error that the guest gets.
    pub(crate) const fn message(self) -> &'static str {
        match self {
            Self::Trial => "a version is on trial; nothing is written or sent",
            Self::Load => "the source of the plugin is being loaded; nothing is written or sent",
            Self::Snapshot => "state is being saved; nothing is written or sent",
        }
    }
}
