//! Warnings of what goes wrong again and again.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How long nothing more is said of a cause.
const LOG_INTERVAL: Duration = Duration::from_secs(30);

/// When each cause was last told, and how often it came up since. There are as many as the code names.
#[derive(Debug, Default)]
pub struct WarnLimiter(Mutex<HashMap<&'static str, (Instant, u64)>>);

impl WarnLimiter {
    /// Whether a cause may be told now, and if so how often it was not told since the last time.
    pub fn try_acquire(&self, cause: &'static str) -> Option<u64> {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let Some((at, untold)) = told.get_mut(cause) else {
            told.insert(cause, (now, 0));
            return Some(0);
        };
        if now.duration_since(*at) < LOG_INTERVAL {
            *untold += 1;
            return None;
        }
        *at = now;
        Some(std::mem::take(untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_cause_is_told_once_in_an_interval_and_how_often_it_came_up_meanwhile() {
        let warnings = WarnLimiter::default();
        assert_eq!([0, 1, 2].map(|_| warnings.try_acquire("a")), [Some(0), None, None]);
        assert_eq!(warnings.try_acquire("b"), Some(0));
        tokio::time::advance(LOG_INTERVAL).await;
        assert_eq!([0, 1].map(|_| warnings.try_acquire("a")), [Some(2), None]);
        assert_eq!(warnings.try_acquire("b"), Some(0));
    }
}
