//! Warnings of what goes wrong again and again.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How long nothing is said after a warning.
const PAUSE: Duration = Duration::from_secs(30);

/// Lets one warning through in 30 seconds.
#[derive(Debug, Default)]
pub(crate) struct WarnLimiter(Mutex<Option<Instant>>);

impl WarnLimiter {
    /// Whether a warning may be logged now.
    pub(crate) fn allows(&self) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let allows = last.is_none_or(|last| last.elapsed() >= PAUSE);
        if allows {
            *last = Some(Instant::now());
        }
        allows
    }
}
