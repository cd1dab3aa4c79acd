//! Waits for the rate limits of a plugin.

use std::pin::Pin;
use std::task::Context;
use std::time::Duration;

use tokio::time::Sleep;

use narrowboat_quota::{LimitKind, QuotaChain};

/// The wait of one connection, in one direction, for its plugin's rate limits.
#[derive(Default)]
pub(super) struct Throttle {
    /// The current wait. A connection within its rates has no timer.
    timer: Option<Pin<Box<Sleep>>>,
}

/// Whether a rate limit allows the next frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RateState {
    Within,
    Exceeded,
}

impl Throttle {
    /// Checks the rate limits. `wait_time` returns the time until the next frame is allowed, and the limit that is
    /// exceeded. The task is woken when that time is over.
    pub(super) fn poll_rate(
        &mut self,
        cx: &mut Context<'_>,
        quota: &QuotaChain,
        wait_time: impl Fn(&QuotaChain) -> Option<(Duration, LimitKind)>,
    ) -> RateState {
        while let Some((wait, limit)) = wait_time(quota) {
            if self.timer.is_none() {
                quota.record_limit_hit(limit);
            }
            let timer = self.timer.insert(Box::pin(tokio::time::sleep(wait)));
            if timer.as_mut().poll(cx).is_pending() {
                return RateState::Exceeded;
            }
        }
        self.timer = None;
        RateState::Within
    }
}
