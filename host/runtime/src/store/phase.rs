//! What an instance does in its calls.

/// What the instance does in its calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It compiles or loads the source of its plugin.
    Load,
    /// It handles events.
    Run,
}
