//! Limits the memory and the tables of an instance.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use wasmtime::ResourceLimiter;

use super::instance_limits::{
    InstanceLimits, MAX_CORE_ITEMS, MAX_TABLE_ELEMENTS, SLOT_RESIDENT_BYTES,
};
use super::memory_counting::MemoryCounting;
use super::touched_memory::TouchedMemory;
use narrowboat_quota::{LimitKind, QuotaChain, QuotaOwner, QuotaResource, Reservation};

/// The steps in which touched memory counts, in bytes: the page size of WebAssembly.
const TOUCHED_STEP_BYTES: usize = 64 * 1024;

/// The guest has touched more memory than the shared limits allow.
#[derive(Debug, thiserror::Error)]
#[error("the limit {} is reached", limit.name())]
pub(crate) struct MemoryQuotaExceeded {
    /// The limit.
    pub(crate) limit: LimitKind,
}

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
    memory_available: usize,
    /// The first bytes of the memory, which do not count towards the shared limits.
    uncounted_memory: usize,
    /// The memory that the guest has touched, if its initial memory counts in this way.
    touched_memory: Option<TouchedMemory>,
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
        let (uncounted_memory, touched_memory) = match limits.memory_counting {
            MemoryCounting::Size { uncounted } => (uncounted, None),
            MemoryCounting::Touched => (0, Some(TouchedMemory::default())),
        };
        Self {
            usage,
            _pool_slots: pool_slots,
            memory_reservation: quota.empty_reservation(QuotaResource::MemoryBytes),
            quota,
            memory_limit: limits.memory,
            memory_available: limits.memory,
            uncounted_memory,
            touched_memory,
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

    /// Bytes of linear memory.
    pub(crate) fn memory_used(&self) -> usize {
        self.memory_limit - self.memory_available
    }

    /// Starts a call on the current thread.
    pub(super) fn begin_call(&mut self) {
        if let Some(touched) = &mut self.touched_memory {
            touched.begin_call();
        }
    }

    /// Reserves the memory that the running call has touched, if it is not reserved yet. Call it on the thread of the
    /// call.
    ///
    /// # Errors
    /// The limit that has no room for it. The guest must not run any more.
    pub(crate) fn reserve_touched_memory(&mut self) -> Result<(), MemoryQuotaExceeded> {
        let Some(touched) = &mut self.touched_memory else { return Ok(()) };
        let touched_bytes = touched.count_faults().div_ceil(TOUCHED_STEP_BYTES);
        let counted = touched_bytes.saturating_mul(TOUCHED_STEP_BYTES).min(self.memory_used());
        let growth = counted.saturating_sub(self.memory_reservation.count());
        self.grow_reservation(growth).map_err(|limit| {
            self.denied_limit = Some(limit);
            MemoryQuotaExceeded { limit }
        })
    }

    /// Reserves memory that grows from `current` by `more` bytes, of the instance's limit and of the shared limits.
    fn reserve_memory(&mut self, current: usize, more: usize) -> Result<(), LimitKind> {
        let available = self.memory_available.checked_sub(more);
        let available = available.ok_or_else(|| {
            self.quota.record_limit_hit(LimitKind::Memory);
            LimitKind::Memory
        })?;
        match &mut self.touched_memory {
            // A new memory counts as its pages are touched.
            Some(touched) if current == 0 => touched.add_bytes(more.min(SLOT_RESIDENT_BYTES)),
            Some(_) => self.grow_reservation(more)?,
            None => {
                let (uncounted, used) = (self.uncounted_memory, self.memory_used());
                let counted = |used: usize| used.saturating_sub(uncounted);
                self.grow_reservation(counted(used + more) - counted(used))?;
            }
        }
        self.memory_available = available;
        self.usage.memory.fetch_add(more as u64, Ordering::Relaxed);
        Ok(())
    }

    fn grow_reservation(&mut self, growth: usize) -> Result<(), LimitKind> {
        self.memory_reservation.try_grow(growth).inspect_err(|_| {
            self.denied_by = self.quota.find_full_owner(QuotaResource::MemoryBytes, growth);
        })
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
        let reserved = self.reserve_memory(current, desired.saturating_sub(current));
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

#[cfg(test)]
mod tests;
