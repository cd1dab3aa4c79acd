//! How long a guest has run, as it is charged for.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use super::compute_permit;

/// The running time of one call, from where it was last charged.
///
/// On a guest thread, which the system takes away for whatever is more urgent, it is the processor time of the thread.
/// Elsewhere calls are short, and to ask for that would take longer than many of them: there it is the time that passes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum CpuMeter {
    /// By the processor time of the thread.
    ThreadCpuTime(Duration),
    /// By the time that passes.
    WallClock(Instant),
}

impl CpuMeter {
    /// A call begins, on the thread that calls this. Of one that `may_wait_on_io` the waiting is no running.
    pub(crate) fn start(now: Instant, may_wait_on_io: bool) -> Self {
        match may_wait_on_io || compute_permit::is_guest_thread() {
            true => Self::ThreadCpuTime(thread_cpu_time()),
            false => Self::WallClock(now),
        }
    }

    /// What has not been charged yet, which the caller does. On the thread on which it began.
    pub(crate) fn take_uncharged(&mut self, now: Instant) -> Duration {
        match self {
            Self::ThreadCpuTime(since) => {
                let now = thread_cpu_time();
                now.saturating_sub(std::mem::replace(since, now))
            }
            Self::WallClock(since) => now.saturating_duration_since(std::mem::replace(since, now)),
        }
    }
}

/// Of the calling thread.
fn thread_cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_moment_is_charged_once() {
        let began = Instant::now();
        let mut stint = CpuMeter::start(began, false);
        let after = |millis| began + Duration::from_millis(millis);
        assert_eq!(stint.take_uncharged(after(3)), Duration::from_millis(3));
        assert_eq!(stint.take_uncharged(after(5)), Duration::from_millis(2));
        assert_eq!(stint.take_uncharged(after(5)), Duration::ZERO);
    }

    #[test]
    fn who_waits_runs_not() {
        let mut stint = CpuMeter::start(Instant::now(), true);
        std::thread::sleep(Duration::from_millis(50));
        assert!(stint.take_uncharged(Instant::now()) < Duration::from_millis(50));
    }
}
