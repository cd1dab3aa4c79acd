//! Counts the page faults of threads, from which the host knows how many pages a guest has touched.

#[cfg(target_os = "linux")]
use std::{hint::black_box, sync::LazyLock};

/// Bytes that the probe touches: the size of two huge pages on x86-64.
#[cfg(target_os = "linux")]
const PROBED_BYTES: usize = 4 * 1024 * 1024;

/// Bytes that the probe allocates. The allocator maps an allocation of this size anew, so its pages are not present.
#[cfg(target_os = "linux")]
const PROBE_CAPACITY: usize = 64 * 1024 * 1024;

/// Returns whether the first write to each page of memory is a page fault that [`read_thread_faults`] counts. The first
/// call disables transparent huge pages in this process, which make many pages present in one fault.
pub(super) fn is_each_page_counted() -> bool {
    #[cfg(target_os = "linux")]
    {
        static IS_EACH_PAGE_COUNTED: LazyLock<bool> = LazyLock::new(probe);
        *IS_EACH_PAGE_COUNTED
    }
    #[cfg(not(target_os = "linux"))]
    {
        false
    }
}

/// The page faults of the current thread since its start. 0 if the system does not count them.
pub(super) fn read_thread_faults() -> u64 {
    #[cfg(target_os = "linux")]
    {
        use nix::sys::resource::{UsageWho, getrusage};
        // The kernel counts a fault as a major one if it had to be repeated, even if it read nothing from a disk.
        getrusage(UsageWho::RUSAGE_THREAD).map_or(0, |usage| {
            u64::try_from(usage.minor_page_faults() + usage.major_page_faults()).unwrap_or(0)
        })
    }
    #[cfg(not(target_os = "linux"))]
    {
        0
    }
}

#[cfg(target_os = "linux")]
fn probe() -> bool {
    // If the kernel refuses this, the probe finds huge pages if there are any.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    let counts = faults_of_new_pages()
        .is_some_and(|faults| faults >= (PROBED_BYTES / rustix::param::page_size()) as u64);
    if !counts {
        tracing::warn!(
            "the memory of every instance counts in full towards limits.total_memory, because this system does not \
             count a page fault for each page of memory"
        );
    }
    counts
}

/// Writes to memory that is mapped anew. Returns the page faults. `None` if there is no memory.
#[cfg(target_os = "linux")]
fn faults_of_new_pages() -> Option<u64> {
    let mut memory = Vec::<u8>::new();
    memory.try_reserve_exact(PROBE_CAPACITY).ok()?;
    let before = read_thread_faults();
    memory.resize(PROBED_BYTES, 1);
    black_box(&memory);
    Some(read_thread_faults().saturating_sub(before))
}
