//! The usage of a limit, as operators see it.

use crate::limit_kind::LimitKind;

/// A limit of one plugin, one tenant or the host, and its usage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitUsage {
    /// The limit.
    pub kind: LimitKind,
    /// The current usage of a resource that is released again; `None` for rates.
    pub used: Option<u64>,
    /// The highest usage, or the rate a second. Sizes are in bytes, `cpu` and `compile_time` in nanoseconds.
    pub limit: Option<u64>,
    /// How often the limit was reached.
    pub hit_count: u64,
}
