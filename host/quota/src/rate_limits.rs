//! The rate limits of one direction of a connection's traffic.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::limit_kind::LimitKind;
use crate::rate_limiter::RateLimiter;

/// Limits of frames and bytes a second, in one direction.
#[derive(Debug, Default)]
pub(crate) struct RateLimits {
    pub(crate) frames: RateLimiter,
    pub(crate) bytes: RateLimiter,
    /// Whether either limiter has a rate: one load decides for the common case without limits.
    is_limited: AtomicBool,
}

impl RateLimits {
    /// Replaces both rates. `None` is no limit.
    pub(crate) fn set_rates(&self, frames: Option<u64>, bytes: Option<u64>) {
        self.frames.set_rate(frames);
        self.bytes.set_rate(bytes);
        self.is_limited.store(frames.is_some() || bytes.is_some(), Ordering::Relaxed);
    }

    /// Counts a frame of this length.
    pub(crate) fn record_frame(&self, bytes: usize) {
        if self.is_limited() {
            self.frames.consume(1);
            self.bytes.consume(bytes as u64);
        }
    }

    /// Returns the longest wait of several limits and the kind of the limit that causes it; `None` if no limit requires
    /// a wait.
    pub(crate) fn longest_wait<'a>(
        limits: impl Iterator<Item = &'a Self>,
        frames_kind: LimitKind,
        bytes_kind: LimitKind,
    ) -> Option<(Duration, LimitKind)> {
        let waits = limits.filter(|limits| limits.is_limited()).flat_map(|limits| {
            let frames = limits.frames.wait_time().map(|wait| (wait, frames_kind));
            frames.into_iter().chain(limits.bytes.wait_time().map(|wait| (wait, bytes_kind)))
        });
        waits.max_by_key(|(wait, _)| *wait)
    }

    /// Whether a rate is set.
    pub(crate) fn is_limited(&self) -> bool {
        self.is_limited.load(Ordering::Relaxed)
    }
}
