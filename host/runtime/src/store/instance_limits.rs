//! The limits of one instance.

use std::time::Duration;

use super::memory_counting::MemoryCounting;
use super::phase::Phase;
use narrowboat_core::component::Role;

/// Bytes of a memory that stay resident in a slot of the pool after its guest has ended. The next guest in the slot
/// touches them without a page fault.
pub(crate) const SLOT_RESIDENT_BYTES: usize = 64 * 1024;

/// Bytes of payload that every call may send, even if the largest frame is small.
const MIN_EFFECT_BYTES: usize = 16 * 1024 * 1024;

/// Bytes that an import may copy in addition to a frame: a list of handles, or names.
const MIN_HOSTCALL_BYTES: usize = 4 * 1024 * 1024;

/// Elements that all tables of an instance may have together. In practice these are function pointers.
pub(crate) const MAX_TABLE_ELEMENTS: usize = 20_000;

/// The largest number of memories, of tables and of core instances of one component.
pub(crate) const MAX_CORE_ITEMS: u32 = 16;

/// The limits of one instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InstanceLimits {
    /// The linear memory of all memories together, in bytes.
    pub memory: usize,
    /// How the memory counts towards the shared memory limits.
    pub memory_counting: MemoryCounting,
    /// The running time of one event of a connection.
    pub call_time: Duration,
    /// The running time of a worker for one message.
    pub worker_time: Duration,
    /// The running time in which a runtime compiles or loads the source of a plugin.
    pub load_time: Duration,
    /// The number of pending timers of one connection.
    pub timers: usize,
    /// The size of the snapshot of one consumer or of the module, in bytes.
    pub snapshot: usize,
    /// How long the imports of one call may wait for I/O.
    pub wait_time: Duration,
    /// The largest message, and frame for a group, that the channel layer takes, in bytes.
    pub max_message_bytes: usize,
    /// The largest frame that any of its sockets takes, in bytes.
    pub max_frame_bytes: usize,
}

impl InstanceLimits {
    /// The running time of one call, and the key of that limit.
    pub(crate) fn time_limit(&self, role: Role, phase: Phase) -> (&'static str, Duration) {
        match (phase, role) {
            (Phase::Load, _) => ("load_time", self.load_time),
            (Phase::Run, Role::Consumer) => ("call_time", self.call_time),
            (Phase::Run, Role::Worker) => ("worker_time", self.worker_time),
        }
    }

    /// Bytes of payload that one call may send: several of the largest frames.
    pub(crate) fn effect_bytes(&self) -> usize {
        self.max_frame_bytes.max(self.max_message_bytes).saturating_mul(4).max(MIN_EFFECT_BYTES)
    }

    /// Bytes that one import may copy out of the guest: the largest frame, and some more.
    pub(crate) fn hostcall_bytes(&self) -> usize {
        self.max_frame_bytes.max(self.max_message_bytes).saturating_add(MIN_HOSTCALL_BYTES)
    }
}
