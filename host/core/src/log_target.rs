//! Targets of log events that are not the path of a module.

/// The target of log lines from guests.
pub const GUEST: &str = "guest";

/// The target of spans that are only exported as traces. The log does not show them.
pub const TRACE: &str = "trace";
