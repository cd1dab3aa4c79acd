//! Measures how much of its memory a guest has touched.

use super::page_faults;

/// The bytes of its memory that a guest has touched, at most.
///
/// The first access to a page of memory is a page fault, and a write to a page that was only read is a second one. The
/// guest runs on one thread at a time, so the faults of that thread during its calls are an upper bound of the pages.
/// Faults of the host's own code during a call count too.
#[derive(Debug, Default)]
pub(super) struct TouchedMemory {
    bytes: usize,
    /// The page faults of the current thread that were counted already.
    counted_faults: u64,
}

impl TouchedMemory {
    /// Starts a call on the current thread.
    pub(super) fn begin_call(&mut self) {
        self.counted_faults = page_faults::read_thread_faults();
    }

    /// Counts the page faults since the last count. Call it on the thread of the call. Returns the bytes of all calls
    /// together.
    pub(super) fn count_faults(&mut self) -> usize {
        let faults = page_faults::read_thread_faults();
        let new = faults.saturating_sub(std::mem::replace(&mut self.counted_faults, faults));
        let pages = usize::try_from(new).unwrap_or(usize::MAX);
        self.add_bytes(pages.saturating_mul(rustix::param::page_size()));
        self.bytes
    }

    /// Counts bytes that are present without a page fault.
    pub(super) fn add_bytes(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes);
    }
}
