//! What one instance may have, held against each growth.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use wasmtime::ResourceLimiter;

use super::instance_limits::{InstanceLimits, MAX_CORE_ITEMS, MAX_TABLE_ELEMENTS};
use narrowboat_quota::{LimitKind, QuotaChain, QuotaOwner, QuotaResource, Reservation};

/// What the instances of a version have together.
#[derive(Debug, Default)]
pub(crate) struct InstanceGauges {
    instances: AtomicU64,
    memory: AtomicU64,
}

impl InstanceGauges {
    /// Running instances.
    pub(crate) fn instances(&self) -> u64 {
        self.instances.load(Ordering::Relaxed)
    }

    /// Bytes of their linear memories.
    pub(crate) fn memory(&self) -> u64 {
        self.memory.load(Ordering::Relaxed)
    }
}

/// Counts what an instance has taken.
#[derive(Debug)]
pub(crate) struct StoreLimiter {
    usage: Arc<InstanceGauges>,
    quota: Arc<QuotaChain>,
    /// Of instances.
    _pool_slots: Reservation,
    /// Of what all may have together.
    memory_reservation: Reservation,
    memory_limit: usize,
    uncounted_memory: usize,
    memory_available: usize,
    /// The bound of memory that it came to last, if it has.
    denied_limit: Option<LimitKind>,
    /// Whose that was, where it is of what instances have together.
    denied_by: Option<QuotaOwner>,
    table_elements_available: usize,
}

impl StoreLimiter {
    pub(crate) fn new(
        limits: &InstanceLimits,
        usage: Arc<InstanceGauges>,
        quota: Arc<QuotaChain>,
        places: Reservation,
    ) -> Self {
        usage.instances.fetch_add(1, Ordering::Relaxed);
        Self {
            usage,
            _pool_slots: places,
            memory_reservation: quota.empty_reservation(QuotaResource::MemoryBytes),
            quota,
            memory_limit: limits.memory,
            uncounted_memory: limits.uncounted_memory,
            memory_available: limits.memory,
            denied_limit: None,
            denied_by: None,
            table_elements_available: MAX_TABLE_ELEMENTS,
        }
    }
}

impl Drop for StoreLimiter {
    fn drop(&mut self) {
        self.usage.instances.fetch_sub(1, Ordering::Relaxed);
        self.usage.memory.fetch_sub(self.memory_used() as u64, Ordering::Relaxed);
    }
}

impl StoreLimiter {
    /// Why the guest was refused memory, if it was, which may be why it trapped.
    pub(crate) fn denied_limit(&self) -> Option<LimitKind> {
        self.denied_limit
    }

    /// Whose bound of what instances have together that was.
    pub(crate) fn denied_by(&self) -> Option<QuotaOwner> {
        self.denied_by
    }

    fn memory_used(&self) -> usize {
        self.memory_limit - self.memory_available
    }

    /// Takes so much memory, of its own and of what all may have together.
    fn reserve_memory(&mut self, more: usize) -> Result<(), LimitKind> {
        let left = self.memory_available.checked_sub(more);
        let left = left.ok_or_else(|| {
            self.quota.record_limit_hit(LimitKind::Memory);
            LimitKind::Memory
        })?;
        let (free, taken) = (self.uncounted_memory, self.memory_used());
        let beyond_free = |taken: usize| taken.saturating_sub(free);
        let asked = beyond_free(taken + more) - beyond_free(taken);
        if let Err(bound) = self.memory_reservation.try_grow(asked) {
            self.denied_by = self.quota.find_full_owner(QuotaResource::MemoryBytes, asked);
            return Err(bound);
        }
        self.memory_available = left;
        self.usage.memory.fetch_add(more as u64, Ordering::Relaxed);
        Ok(())
    }
}

impl ResourceLimiter for StoreLimiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        // A growth is refused, as WebAssembly's `memory.grow` allows; the guest's allocator then fails.
        let grown = self.reserve_memory(desired.saturating_sub(current));
        self.denied_limit = grown.err().or(self.denied_limit);
        Ok(grown.is_ok())
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        match self.table_elements_available.checked_sub(desired.saturating_sub(current)) {
            Some(left) => {
                self.table_elements_available = left;
                Ok(true)
            }
            None => {
                self.quota.record_limit_hit(LimitKind::Tables);
                Ok(false)
            }
        }
    }

    fn instances(&self) -> usize {
        MAX_CORE_ITEMS as usize
    }

    fn tables(&self) -> usize {
        MAX_CORE_ITEMS as usize
    }

    fn memories(&self) -> usize {
        MAX_CORE_ITEMS as usize
    }
}
