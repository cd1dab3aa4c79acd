//! Why a consumer, or all consumers of an instance, did not move.

use thiserror::Error;

use narrowboat_core::fault::GuestFault;

/// Why a consumer, or all consumers of an instance, did not move.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MigrationError {
    /// The old version failed to save a consumer.
    #[error("snapshot, in the old version: {0}")]
    Snapshot(GuestFault),
    /// The old version failed to save the module's state.
    #[error("save-module, in the old version: {0}")]
    SaveModule(GuestFault),
    /// The code of the old version waits, so it cannot be saved now.
    #[error("the code of the old version waits")]
    Busy,
    /// No instance of the new version started.
    #[error("cannot start: {0}")]
    Start(GuestFault),
    /// The new version did not load the module's state.
    #[error("load-module: {0}")]
    LoadModule(GuestFault),
    /// The new version did not restore a consumer.
    #[error("restore: {0}")]
    Restore(GuestFault),
    /// The new version did not create a fresh consumer.
    #[error("connect, for a fresh consumer: {0}")]
    Restart(GuestFault),
}

impl MigrationError {
    /// Whether the old version answered that it cannot save its state. It then serves on, unlike after a trap.
    pub fn is_unsaved_state(&self) -> bool {
        match self {
            Self::Snapshot(fault) | Self::SaveModule(fault) => !matches!(
                fault,
                GuestFault::Trap(_)
                    | GuestFault::TimeLimitExceeded { .. }
                    | GuestFault::InstanceLost
            ),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_answer_of_the_old_version_is_unsaved_state() {
        let answer = || GuestFault::Error("Chat.cb is a function".to_owned());
        assert!(MigrationError::SaveModule(answer()).is_unsaved_state());
        assert!(MigrationError::Snapshot(GuestFault::QuotaExceeded("snapshot")).is_unsaved_state());
        assert!(
            !MigrationError::SaveModule(GuestFault::Trap("oops".to_owned())).is_unsaved_state()
        );
        assert!(!MigrationError::Restore(answer()).is_unsaved_state());
    }
}
