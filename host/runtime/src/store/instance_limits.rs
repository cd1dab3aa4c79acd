//! The limits of one instance.

use std::time::Duration;

use narrowboat_core::component::Role;

/// Bytes of memory that an instance of the operator's own plugins has without asking what all may have together: what most
/// guests begin with, of which few pages are ever written.
pub(crate) const UNCOUNTED_MEMORY_BYTES: usize = 2 * 1024 * 1024;

/// Bytes of payload every call may ask to send, however small its frames must be.
const MIN_EFFECT_BYTES: usize = 16 * 1024 * 1024;

/// Bytes an import may copy besides a frame: a list of handles, names, an error too large to send.
const MIN_HOSTCALL_BYTES: usize = 4 * 1024 * 1024;

/// Elements that the tables of an instance may have together: function pointers, in practice.
pub(crate) const MAX_TABLE_ELEMENTS: usize = 20_000;

/// Memories, tables and core instances one component may consist of.
pub(crate) const MAX_CORE_ITEMS: u32 = 16;

/// What one instance may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InstanceLimits {
    /// Linear memory, in bytes, all memories together.
    pub memory: usize,
    /// Bytes of it that it has without asking what all may have together.
    pub uncounted_memory: usize,
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
    pub max_message_bytes: usize,
    /// The largest frame any of its sockets takes, in bytes.
    pub max_frame_bytes: usize,
}

impl InstanceLimits {
    /// Running time of one call into a guest that is run as this, and what bounds it.
    pub(crate) fn time_limit(&self, role: Role) -> (&'static str, Duration) {
        match role {
            Role::Consumer => ("call_time", self.call_time),
            Role::Worker => ("worker_time", self.worker_time),
        }
    }

    /// Bytes of payload one call may ask to send: some of the largest frames.
    pub(crate) fn effect_bytes(&self) -> usize {
        self.max_frame_bytes.max(self.max_message_bytes).saturating_mul(4).max(MIN_EFFECT_BYTES)
    }

    /// Bytes one import may copy out of the guest: its largest argument and some change.
    pub(crate) fn hostcall_bytes(&self) -> usize {
        self.max_frame_bytes.max(self.max_message_bytes).saturating_add(MIN_HOSTCALL_BYTES)
    }
}
