//! Limits the memory and the tables of an instance.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use wasmtime::ResourceLimiter;

use super::instance_limits::{InstanceLimits, MAX_CORE_ITEMS, MAX_TABLE_ELEMENTS};
use narrowboat_quota::{LimitKind, QuotaChain, QuotaOwner, QuotaResource, Reservation};

/// Usage of all instances of a version.
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

    /// Bytes of linear memory.
    pub(crate) fn memory(&self) -> u64 {
        self.memory.load(Ordering::Relaxed)
    }
}

/// Limits the memory and the tables of one instance, and counts their usage.
#[derive(Debug)]
pub(crate) struct StoreLimiter {
    usage: Arc<InstanceGauges>,
    quota: Arc<QuotaChain>,
    /// The reserved slots of the instance pool.
    _pool_slots: Reservation,
    /// The part of the shared memory limits that the instance uses.
    memory_reservation: Reservation,
    memory_limit: usize,
    uncounted_memory: usize,
    memory_available: usize,
    /// The limit that refused memory last, if one has.
    denied_limit: Option<LimitKind>,
    /// The owner of that limit, if it is a shared one.
    denied_by: Option<QuotaOwner>,
    table_elements_available: usize,
}

impl StoreLimiter {
    pub(crate) fn new(
        limits: &InstanceLimits,
        usage: Arc<InstanceGauges>,
        quota: Arc<QuotaChain>,
        pool_slots: Reservation,
    ) -> Self {
        usage.instances.fetch_add(1, Ordering::Relaxed);
        Self {
            usage,
            _pool_slots: pool_slots,
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
    /// The limit that refused memory to the guest, if one has. It may be the reason of a trap.
    pub(crate) fn denied_limit(&self) -> Option<LimitKind> {
        self.denied_limit
    }

    /// The owner of that limit, if it is a shared one.
    pub(crate) fn denied_by(&self) -> Option<QuotaOwner> {
        self.denied_by
    }

    fn memory_used(&self) -> usize {
        self.memory_limit - self.memory_available
    }

    /// Reserves `more` bytes, of the memory of the instance and of the shared limits.
    fn reserve_memory(&mut self, more: usize) -> Result<(), LimitKind> {
        let available = self.memory_available.checked_sub(more);
        let available = available.ok_or_else(|| {
            self.quota.record_limit_hit(LimitKind::Memory);
            LimitKind::Memory
        })?;
        let (uncounted, used) = (self.uncounted_memory, self.memory_used());
        let counted = |used: usize| used.saturating_sub(uncounted);
        let growth = counted(used + more) - counted(used);
        if let Err(limit) = self.memory_reservation.try_grow(growth) {
            self.denied_by = self.quota.find_full_owner(QuotaResource::MemoryBytes, growth);
            return Err(limit);
        }
        self.memory_available = available;
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
        // `memory.grow` reports a refused growth to the guest, whose allocator then fails.
        let reserved = self.reserve_memory(desired.saturating_sub(current));
        self.denied_limit = reserved.err().or(self.denied_limit);
        Ok(reserved.is_ok())
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        match self.table_elements_available.checked_sub(desired.saturating_sub(current)) {
            Some(available) => {
                self.table_elements_available = available;
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
