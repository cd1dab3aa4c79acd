//! The limits that one owner sets to the compilation of a component.

use std::sync::atomic::{AtomicU64, Ordering};

use narrowboat_config::Quota;

use crate::limit_kind::LimitKind;
use crate::nanoseconds::to_nanos;

/// The value of a limit that is not set.
const UNLIMITED: u64 = u64::MAX;

/// The limits that one owner sets to the compilation of a component.
#[derive(Debug)]
pub(crate) struct CompileLimitNode {
    nanos: AtomicU64,
    memory_bytes: AtomicU64,
}

impl Default for CompileLimitNode {
    fn default() -> Self {
        Self { nanos: AtomicU64::new(UNLIMITED), memory_bytes: AtomicU64::new(UNLIMITED) }
    }
}

impl CompileLimitNode {
    /// Replaces the limits.
    pub(crate) fn set(&self, quota: &Quota) {
        let nanos = quota.compile_time.map(|time| to_nanos(time.duration()));
        let memory_bytes = quota.compile_memory.map(|size| size.bytes() as u64);
        self.nanos.store(nanos.unwrap_or(UNLIMITED), Ordering::Relaxed);
        self.memory_bytes.store(memory_bytes.unwrap_or(UNLIMITED), Ordering::Relaxed);
    }

    /// Returns the limit of this kind: nanoseconds or bytes. `None` if it is not set.
    pub(crate) fn limit(&self, kind: LimitKind) -> Option<u64> {
        let limit = match kind {
            LimitKind::CompileTime => &self.nanos,
            LimitKind::CompileMemory => &self.memory_bytes,
            _ => return None,
        };
        Some(limit.load(Ordering::Relaxed)).filter(|limit| *limit != UNLIMITED)
    }
}
