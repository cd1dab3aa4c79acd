//! Targets of log events that are not called after a module.

/// The target of lines that a guest writes.
pub const GUEST: &str = "guest";

/// The target of spans that only the export of traces reads. No log shows them.
pub const TRACE: &str = "trace";
