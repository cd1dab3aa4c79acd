//! The phases of an instance.

/// A phase of an instance, which decides how long its calls may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It compiles or loads the source of its plugin.
    Load,
    /// It handles events.
    Run,
}
