//! Measures the running time that a plugin is charged for.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use super::compute_permit;

/// The running time of one call since the last charge.
///
/// On a guest thread, which the system may suspend for more urgent threads, this is the CPU time of the thread. Calls
/// on other threads are short, and reading the CPU time would take longer than many of them, so this is wall-clock time
/// there.
#[derive(Debug, Clone, Copy)]
pub(crate) enum CpuMeter {
    /// The CPU time of the thread at the last charge.
    ThreadCpuTime(Duration),
    /// The time of the last charge.
    WallClock(Instant),
}

impl CpuMeter {
    /// Starts the measurement of a call on the current thread. If the call `may_wait_on_io`, its waits do not count.
    pub(crate) fn start(now: Instant, may_wait_on_io: bool) -> Self {
        match may_wait_on_io || compute_permit::is_guest_thread() {
            true => Self::ThreadCpuTime(thread_cpu_time()),
            false => Self::WallClock(now),
        }
    }

    /// Excludes a wait from the time since the last charge.
    pub(crate) fn exclude_wait(&mut self, waited: Duration) {
        match self {
            // A thread that waits uses no CPU time.
            Self::ThreadCpuTime(_) => {}
            Self::WallClock(since) => *since += waited,
        }
    }

    /// Returns the time since the last charge, which the caller must charge. Call it on the thread of the call.
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

/// The CPU time of the current thread.
fn thread_cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_charged_once() {
        let started = Instant::now();
        let mut meter = CpuMeter::start(started, false);
        let after = |millis| started + Duration::from_millis(millis);
        assert_eq!(meter.take_uncharged(after(3)), Duration::from_millis(3));
        assert_eq!(meter.take_uncharged(after(5)), Duration::from_millis(2));
        assert_eq!(meter.take_uncharged(after(5)), Duration::ZERO);
    }

    #[test]
    fn waits_are_not_charged_as_wall_clock_time() {
        let started = Instant::now();
        let mut meter = CpuMeter::start(started, false);
        meter.exclude_wait(Duration::from_millis(5));
        let ended = started + Duration::from_millis(7);
        assert_eq!(meter.take_uncharged(ended), Duration::from_millis(2));
    }

    #[test]
    fn waits_are_not_charged() {
        let mut meter = CpuMeter::start(Instant::now(), true);
        std::thread::sleep(Duration::from_millis(50));
        assert!(meter.take_uncharged(Instant::now()) < Duration::from_millis(50));
    }
}
