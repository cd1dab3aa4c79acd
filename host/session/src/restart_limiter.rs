//! The limit of restarts of an instance that traps.

use std::time::Duration;

use tokio::time::Instant;

/// Restarts of an instance within [`PERIOD`], after which its connections close.
const MAX_RESTARTS: usize = 3;

/// The time for which a restart counts.
const PERIOD: Duration = Duration::from_secs(60);

/// The restarts of an instance in the last minute. An event that traps in each instance must not restart it for ever.
#[derive(Debug, Default)]
pub(super) struct RestartLimiter {
    recent: Vec<Instant>,
}

impl RestartLimiter {
    /// Counts a restart. Returns false if there have been too many.
    pub(super) fn try_restart(&mut self) -> bool {
        self.recent.retain(|at| at.elapsed() < PERIOD);
        let is_allowed = self.recent.len() < MAX_RESTARTS;
        if is_allowed {
            self.recent.push(Instant::now());
        }
        is_allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn at_most_three_restarts_a_minute_are_allowed() {
        let mut limiter = RestartLimiter::default();
        assert_eq!([(); 4].map(|()| limiter.try_restart()), [true, true, true, false]);
        tokio::time::advance(Duration::from_secs(59)).await;
        assert!(!limiter.try_restart());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!([(); 4].map(|()| limiter.try_restart()), [true, true, true, false]);
    }
}
