//! The memory that this process may use.

use sysinfo::System;

/// Returns the memory in bytes of the machine, or of the control group of this process if that has less. Returns
/// `usize::MAX` if neither is known.
pub(super) fn available_memory_bytes() -> usize {
    let system = System::new().map(|mut system| {
        system.refresh_memory();
        system
    });
    let bytes = system.map(|system| {
        let control_group = system.cgroup_limits().map_or(u64::MAX, |group| group.total_memory);
        system.total_memory().min(control_group)
    });
    bytes.ok().and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(usize::MAX)
}
