//! Why the host restores the state of an instance.

/// Why the host restores the state of an instance. The guest can ask for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestoreReason {
    /// The consumers move to another version.
    Version,
    /// The room was asleep, or its host has died.
    Wake,
    /// The instance before trapped or timed out.
    Failure,
    /// The connection was idle, and gave its instance back.
    Hibernation,
}
