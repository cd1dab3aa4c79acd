//! The timer of a connection: pings, the idle time-out, and the time-out of the closing handshake.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

use super::connection_timeouts::ConnectionTimeouts;

/// The timer of a connection, and the time of the last bytes from its peer.
pub(super) struct Keepalive {
    timeouts: Arc<ConnectionTimeouts>,
    last_activity: Instant,
    timer: Pin<Box<Sleep>>,
}

/// The reaction to the silence of a peer.
pub(super) enum KeepaliveAction {
    /// Check again at this time.
    Wait(Instant),
    /// Send a ping, and check again at this time.
    Ping(Instant),
    /// End the connection: the peer was silent for the idle time-out, which this is.
    TimeOut(Duration),
}

impl Keepalive {
    pub(super) fn new(timeouts: Arc<ConnectionTimeouts>) -> Self {
        let now = Instant::now();
        let timer = Box::pin(tokio::time::sleep_until(now + timeouts.keepalive_interval));
        Self { timeouts, last_activity: now, timer }
    }

    /// Records bytes from the peer, or a time in which this host did not read.
    pub(super) fn record_activity(&mut self, now: Instant) {
        self.last_activity = now;
    }

    pub(super) fn close_timeout(&self) -> Duration {
        self.timeouts.close_timeout
    }

    pub(super) fn set_timer(&mut self, at: Instant) {
        self.timer.as_mut().reset(at);
    }

    /// Returns the current time once the timer has expired.
    pub(super) fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<Instant> {
        ready!(self.timer.as_mut().poll(cx));
        let now = Instant::now();
        // If the host was too busy to look at this timer, it has not read either, and what the peer sent meanwhile is
        // still unread. That time does not count as silence.
        let delay = now.saturating_duration_since(self.timer.deadline());
        self.last_activity = (self.last_activity + delay).min(now);
        Poll::Ready(now)
    }

    /// Returns the reaction to the silence since the last activity.
    pub(super) fn check_silence(&self, now: Instant) -> KeepaliveAction {
        let ConnectionTimeouts { keepalive_interval, idle_timeout, .. } = *self.timeouts;
        let silence = now - self.last_activity;
        if silence >= idle_timeout {
            KeepaliveAction::TimeOut(idle_timeout)
        } else if silence >= keepalive_interval {
            let time_out_at = self.last_activity + idle_timeout;
            KeepaliveAction::Ping((now + keepalive_interval).min(time_out_at))
        } else {
            KeepaliveAction::Wait(self.last_activity + keepalive_interval)
        }
    }
}
