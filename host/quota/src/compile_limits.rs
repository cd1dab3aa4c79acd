//! The limits of the compilation of one component.

use std::time::Duration;

/// The limits of the compilation of one component. A field that is `None` is not limited.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CompileLimits {
    /// Processor time on all cores together.
    pub time: Option<Duration>,
    /// Bytes of memory.
    pub memory: Option<u64>,
}
