//! How the memory of an instance counts towards the shared memory limits.

use super::page_faults;

/// The largest initial memory of a small instance, in bytes. Guests in Rust and C start with about 1.1 MiB, and their
/// calls are often shorter than a measurement of touched memory. Interpreters start with more.
const SMALL_MEMORY_BYTES: usize = 1536 * 1024;

/// How the memory of an instance counts towards the shared memory limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MemoryCounting {
    /// All memory counts, except the first bytes.
    Size {
        /// The bytes that do not count.
        uncounted: usize,
    },
    /// The initial memory counts as far as the guest has touched it, and added memory counts in full.
    Touched,
}

impl MemoryCounting {
    /// Chooses how the instances of a component count that starts with `initial_memory` bytes.
    pub(crate) fn choose(initial_memory: u64, is_default_tenant: bool) -> Self {
        if initial_memory > SMALL_MEMORY_BYTES as u64 && page_faults::is_each_page_counted() {
            return Self::Touched;
        }
        // The plugins of tenants are not trusted: each of their instances might write all of its memory.
        let is_uncounted = is_default_tenant && initial_memory <= SMALL_MEMORY_BYTES as u64;
        Self::Size { uncounted: if is_uncounted { SMALL_MEMORY_BYTES } else { 0 } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_instances_of_the_default_tenant_have_memory_that_does_not_count() {
        let count = MemoryCounting::choose;
        let small = SMALL_MEMORY_BYTES as u64;
        assert_eq!(count(small, true), MemoryCounting::Size { uncounted: SMALL_MEMORY_BYTES });
        assert_eq!(count(small, false), MemoryCounting::Size { uncounted: 0 });
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn large_instances_of_each_tenant_count_as_they_touch_their_memory() {
        let large = SMALL_MEMORY_BYTES as u64 + 1;
        for is_default_tenant in [true, false] {
            assert_eq!(MemoryCounting::choose(large, is_default_tenant), MemoryCounting::Touched);
        }
    }
}
