//! The limits that a process sets to itself before it compiles.

use std::io;

use rustix::process::{Resource, Rlimit, setrlimit};

use crate::scheduling::lower_thread_priority;
use narrowboat_quota::CompileLimits;

/// Seconds of processor time between the signal that tells of the limit and the one that ends the process in any case.
const HARD_LIMIT_SECONDS: u64 = 1;

/// Makes the process end with the thread that has started it, whatever ends that.
///
/// # Errors
/// Those of the system.
#[cfg(target_os = "linux")]
pub(super) fn end_with_parent() -> io::Result<()> {
    use rustix::process::{Signal, set_parent_process_death_signal};

    // If the parent has ended before this call, the request is not complete.
    Ok(set_parent_process_death_signal(Some(Signal::KILL))?)
}

#[cfg(not(target_os = "linux"))]
pub(super) fn end_with_parent() -> io::Result<()> {
    Ok(())
}

/// Gives the process the priority of threads that compute, and makes it the first one that the kernel ends if the machine
/// has no memory left. Where the system does not allow one of them, the process goes on without it.
pub(super) fn yield_to_host() {
    // The threads that the process starts later inherit it.
    lower_thread_priority();
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
}

/// Limits the processor time and the memory of the process. It writes no file, also if it crashes.
///
/// # Errors
/// Those of the system.
pub(super) fn set_limits(limits: CompileLimits) -> io::Result<()> {
    set(Resource::Core, 0, 0)?;
    set(Resource::Fsize, 0, 0)?;
    if let Some(bytes) = limits.memory {
        set(Resource::Data, bytes, bytes)?;
    }
    if let Some(time) = limits.time {
        let seconds = time.as_secs().saturating_add(u64::from(time.subsec_nanos() > 0));
        set(Resource::Cpu, seconds, seconds.saturating_add(HARD_LIMIT_SECONDS))?;
    }
    Ok(())
}

fn set(resource: Resource, current: u64, maximum: u64) -> io::Result<()> {
    let limit = Rlimit { current: Some(current), maximum: Some(maximum) };
    Ok(setrlimit(resource, limit)?)
}
