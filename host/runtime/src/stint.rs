//! How long a guest has run, as it is charged for.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use super::lane;

/// The running time of one call, from where it was last charged.
///
/// On a guest thread, which the system takes away for whatever is more urgent, it is the processor time of the thread.
/// Elsewhere calls are short, and to ask for that would take longer than many of them: there it is the time that passes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stint {
    /// By the processor time of the thread.
    Computed(Duration),
    /// By the time that passes.
    Passed(Instant),
}

impl Stint {
    /// A call begins, on the thread that calls this. Of one that `may_wait` the waiting is no running.
    pub(super) fn begin(now: Instant, may_wait: bool) -> Self {
        match may_wait || lane::is_guest_thread() {
            true => Self::Computed(processor_time()),
            false => Self::Passed(now),
        }
    }

    /// What has not been charged yet, which the caller does. On the thread on which it began.
    pub(super) fn charge(&mut self, now: Instant) -> Duration {
        match self {
            Self::Computed(since) => {
                let now = processor_time();
                now.saturating_sub(std::mem::replace(since, now))
            }
            Self::Passed(since) => now.saturating_duration_since(std::mem::replace(since, now)),
        }
    }
}

/// Of the calling thread.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_moment_is_charged_once() {
        let began = Instant::now();
        let mut stint = Stint::begin(began, false);
        let after = |millis| began + Duration::from_millis(millis);
        assert_eq!(stint.charge(after(3)), Duration::from_millis(3));
        assert_eq!(stint.charge(after(5)), Duration::from_millis(2));
        assert_eq!(stint.charge(after(5)), Duration::ZERO);
    }

    #[test]
    fn who_waits_runs_not() {
        let mut stint = Stint::begin(Instant::now(), true);
        std::thread::sleep(Duration::from_millis(50));
        assert!(stint.charge(Instant::now()) < Duration::from_millis(50));
    }
}
