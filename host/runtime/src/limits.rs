//! What one instance may have, held against each growth.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use wasmtime::ResourceLimiter;

use narrowboat_core::component::Role;
use narrowboat_quota::{Allowance, Bound, Owner, Room, Taken};

/// What one instance may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct InstanceLimits {
    /// Linear memory, in bytes, all memories together.
    pub memory: usize,
    /// Bytes of it that it has without asking what all may have together.
    pub free_memory: usize,
    /// Running time of one call for a connection.
    pub call_time: Duration,
    /// Running time of a worker with one message.
    pub worker_time: Duration,
    /// Timers that may be pending on one connection.
    pub timers: usize,
    /// What one consumer, or a module, may leave to its successor, in bytes.
    pub snapshot: usize,
    /// How long one call may wait for what is not of this process.
    pub wait_time: Duration,
    /// The largest message, and frame for a group, it may give the layer, in bytes.
    pub max_message: usize,
    /// The largest frame any of its sockets takes, in bytes.
    pub max_frame: usize,
}

impl InstanceLimits {
    /// Running time of one call into a guest that is run as this, and what bounds it.
    pub(super) fn time_of(&self, role: Role) -> (&'static str, Duration) {
        match role {
            Role::Consumer => ("call_time", self.call_time),
            Role::Worker => ("worker_time", self.worker_time),
        }
    }

    /// Bytes of payload one call may ask to send: some of the largest frames.
    pub(super) fn effect_bytes(&self) -> usize {
        self.max_frame.max(self.max_message).saturating_mul(4).max(MIN_EFFECT_BYTES)
    }

    /// Bytes one import may copy out of the guest: its largest argument and some change.
    pub(super) fn hostcall_bytes(&self) -> usize {
        self.max_frame.max(self.max_message).saturating_add(MIN_HOSTCALL_BYTES)
    }
}

/// Bytes of memory that an instance of the operator's own plugins has without asking what all may have together: what most
/// guests begin with, of which few pages are ever written.
pub(super) const FREE_MEMORY: usize = 2 * 1024 * 1024;

/// Bytes of payload every call may ask to send, however small its frames must be.
const MIN_EFFECT_BYTES: usize = 16 * 1024 * 1024;

/// Bytes an import may copy besides a frame: a list of handles, names, an error too large to send.
const MIN_HOSTCALL_BYTES: usize = 4 * 1024 * 1024;

/// Elements that the tables of an instance may have together: function pointers, in practice.
pub(super) const MAX_TABLE_ELEMENTS: usize = 20_000;

/// Memories, tables and core instances one component may consist of.
pub(super) const MAX_PARTS: u32 = 16;

/// What the instances of a version have together.
#[derive(Debug, Default)]
pub(super) struct Usage {
    instances: AtomicU64,
    memory: AtomicU64,
}

impl Usage {
    /// Running instances.
    pub(super) fn instances(&self) -> u64 {
        self.instances.load(Ordering::Relaxed)
    }

    /// Bytes of their linear memories.
    pub(super) fn memory(&self) -> u64 {
        self.memory.load(Ordering::Relaxed)
    }
}

/// Counts what an instance has taken.
#[derive(Debug)]
pub(super) struct Growth {
    usage: Arc<Usage>,
    allowance: Arc<Allowance>,
    /// Of instances.
    _places: Taken,
    /// Of what all may have together.
    room: Taken,
    memory: usize,
    free_memory: usize,
    memory_left: usize,
    /// The bound of memory that it came to last, if it has.
    refused: Option<Bound>,
    /// Whose that was, where it is of what instances have together.
    refuser: Option<Owner>,
    table_left: usize,
}

impl Growth {
    pub(super) fn new(
        limits: &InstanceLimits,
        usage: Arc<Usage>,
        allowance: Arc<Allowance>,
        places: Taken,
    ) -> Self {
        usage.instances.fetch_add(1, Ordering::Relaxed);
        Self {
            usage,
            _places: places,
            room: allowance.none_of(Room::Memories),
            allowance,
            memory: limits.memory,
            free_memory: limits.free_memory,
            memory_left: limits.memory,
            refused: None,
            refuser: None,
            table_left: MAX_TABLE_ELEMENTS,
        }
    }
}

impl Drop for Growth {
    fn drop(&mut self) {
        self.usage.instances.fetch_sub(1, Ordering::Relaxed);
        self.usage.memory.fetch_sub(self.memory_taken() as u64, Ordering::Relaxed);
    }
}

impl Growth {
    /// Why the guest was refused memory, if it was, which may be why it trapped.
    pub(super) fn refused(&self) -> Option<Bound> {
        self.refused
    }

    /// Whose bound of what instances have together that was.
    pub(super) fn refuser(&self) -> Option<Owner> {
        self.refuser
    }

    fn memory_taken(&self) -> usize {
        self.memory - self.memory_left
    }

    /// Takes so much memory, of its own and of what all may have together.
    fn take_memory(&mut self, more: usize) -> Result<(), Bound> {
        let left = self.memory_left.checked_sub(more);
        let left = left.ok_or_else(|| {
            self.allowance.note(Bound::Memory);
            Bound::Memory
        })?;
        let (free, taken) = (self.free_memory, self.memory_taken());
        let beyond_free = |taken: usize| taken.saturating_sub(free);
        let asked = beyond_free(taken + more) - beyond_free(taken);
        if let Err(bound) = self.room.more(asked) {
            self.refuser = self.allowance.refuser(Room::Memories, asked);
            return Err(bound);
        }
        self.memory_left = left;
        self.usage.memory.fetch_add(more as u64, Ordering::Relaxed);
        Ok(())
    }
}

impl ResourceLimiter for Growth {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        // A growth is refused, as WebAssembly's `memory.grow` allows; the guest's allocator then fails.
        let grown = self.take_memory(desired.saturating_sub(current));
        self.refused = grown.err().or(self.refused);
        Ok(grown.is_ok())
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        match self.table_left.checked_sub(desired.saturating_sub(current)) {
            Some(left) => {
                self.table_left = left;
                Ok(true)
            }
            None => {
                self.allowance.note(Bound::Tables);
                Ok(false)
            }
        }
    }

    fn instances(&self) -> usize {
        MAX_PARTS as usize
    }

    fn tables(&self) -> usize {
        MAX_PARTS as usize
    }

    fn memories(&self) -> usize {
        MAX_PARTS as usize
    }
}
