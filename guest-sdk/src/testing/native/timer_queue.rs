use std::collections::BTreeMap;
use std::time::Duration;

use super::native_connection::ConnectionId;

/// The timers of all connections, by the time at which they fire and the order in which they were set.
#[derive(Debug, Default)]
pub(super) struct TimerQueue {
    timers: BTreeMap<(Duration, u64), (ConnectionId, TimerKind)>,
    last: u64,
}

/// The purpose of a timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TimerKind {
    /// The timer of the consumer with this identifier.
    Consumer(u32),
    /// The end of the time in which the consumer has to decide the handshake.
    Handshake,
}

impl TimerQueue {
    pub(super) fn set(&mut self, at: Duration, connection: ConnectionId, kind: TimerKind) {
        self.last += 1;
        self.timers.insert((at, self.last), (connection, kind));
    }

    pub(super) fn clear(&mut self, connection: ConnectionId, kind: TimerKind) {
        self.timers.retain(|_, timer| *timer != (connection, kind));
    }

    pub(super) fn clear_all_of(&mut self, connection: ConnectionId) {
        self.timers.retain(|_, (own, _)| *own != connection);
    }

    /// The time at which the next timer fires.
    pub(super) fn next_time(&self) -> Option<Duration> {
        self.timers.keys().next().map(|(at, _)| *at)
    }

    /// Takes a timer that fires at `now` or earlier.
    pub(super) fn pop_due(&mut self, now: Duration) -> Option<(ConnectionId, TimerKind)> {
        self.next_time().filter(|at| *at <= now)?;
        self.timers.pop_first().map(|(_, timer)| timer)
    }
}
