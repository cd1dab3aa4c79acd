//! The connections and counters of a layer over Redis.

use std::collections::HashMap;
use std::fmt::Display;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use redis::RedisError;
use tokio::sync::watch;
use tokio::time::Instant;

use super::wire::WireError;
use crate::{DecodeErrorCause, DecodeErrorCounts, LayerStatus};
use narrowboat_core::histogram::Histogram;
use narrowboat_core::warn_limiter::WarnLimiter;

/// The connections and counters of one layer, and its log lines about them.
pub(crate) struct LayerHealth {
    /// The layer's name in the log.
    layer: String,
    state: Mutex<HealthState>,
    connected: watch::Sender<bool>,
    warn_limiter: WarnLimiter,
    /// Deliveries that a full channel dropped.
    pub(crate) dropped: AtomicU64,
    /// Messages and frames that Redis refused or may not have received.
    pub(crate) lost: AtomicU64,
    /// The value of `lost` when the last round trip began.
    lost_at_round_trip_start: AtomicU64,
    /// Decoding errors by cause.
    pub(crate) decode_errors: [AtomicU64; DecodeErrorCause::ALL.len()],
    /// Messages that had expired when the layer read them.
    pub(crate) expired: AtomicU64,
    pub(crate) round_trip_times: Histogram,
}

#[derive(Default)]
struct HealthState {
    last_id: u64,
    /// Whether each connection is up, by its ID.
    connections: HashMap<u64, bool>,
    /// The start of the outage, once it has been logged, and the value of `lost` before it.
    outage: Option<(Instant, u64)>,
    /// Whether an error that shows the cause of the outage has been logged.
    cause_logged: bool,
    /// Whether the layer was dropped, and with it the connection that lasts as long.
    is_shut_down: bool,
}

/// A connection that must be up for the layer to be connected. Dropping this unregisters it.
pub(crate) struct ConnectionHealth<'a> {
    health: &'a LayerHealth,
    id: u64,
    /// Whether the connection lasts as long as the layer.
    is_permanent: bool,
}

impl LayerHealth {
    pub(crate) fn new(layer: String) -> Self {
        Self {
            layer,
            state: Mutex::default(),
            connected: watch::Sender::new(false),
            dropped: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            lost_at_round_trip_start: AtomicU64::new(0),
            decode_errors: Default::default(),
            warn_limiter: WarnLimiter::default(),
            expired: AtomicU64::new(0),
            round_trip_times: Histogram::default(),
        }
    }

    /// Registers a connection that lasts as long as the layer. It counts as down at first.
    pub(crate) fn register_connection(&self) -> ConnectionHealth<'_> {
        self.register(true)
    }

    /// Registers another connection. It counts as up until an attempt to connect fails.
    pub(crate) fn register_extra_connection(&self) -> ConnectionHealth<'_> {
        self.register(false)
    }

    fn register(&self, is_permanent: bool) -> ConnectionHealth<'_> {
        let mut state = self.lock_state();
        state.last_id += 1;
        let id = state.last_id;
        state.connections.insert(id, !is_permanent);
        ConnectionHealth { health: self, id, is_permanent }
    }

    /// Whether every connection is up.
    pub(crate) fn is_connected(&self) -> bool {
        *self.connected.borrow()
    }

    /// Returns the status of the layer. `queued_count` is the number of queued operations.
    pub(crate) fn status(&self, queued_count: usize) -> LayerStatus {
        LayerStatus {
            is_connected: self.is_connected(),
            dropped_count: self.dropped.load(Ordering::Relaxed),
            lost_count: self.lost.load(Ordering::Relaxed),
            decode_errors: DecodeErrorCounts::from_counts(|cause| {
                self.decode_errors[cause as usize].load(Ordering::Relaxed)
            }),
            expired_count: self.expired.load(Ordering::Relaxed),
            queued_count,
            round_trip_times: Some(self.round_trip_times.now()),
        }
    }

    /// Logs that a server lost data though it was never unreachable.
    pub(crate) fn warn_data_lost(&self, why: &str) {
        if let Some(suppressed) = self.warn_limiter.try_acquire("data lost") {
            let layer = &self.layer;
            tracing::warn!(
                layer,
                suppressed,
                cause = why,
                "Redis has lost data of the channel layer; memberships are written again"
            );
        }
    }

    /// Records that a round trip begins. Messages lost in a round trip that fails count to the outage.
    pub(crate) fn begin_round_trip(&self) {
        self.lost_at_round_trip_start.store(self.lost.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// Subscribes to the changes of [`is_connected`](Self::is_connected).
    pub(crate) fn subscribe_connected(&self) -> watch::Receiver<bool> {
        self.connected.subscribe()
    }

    /// Adds to a counter of this layer.
    pub(crate) fn add_to_counter(counter: &AtomicU64, by: u64) {
        counter.fetch_add(by, Ordering::Relaxed);
    }

    /// Records a value in Redis that a layer does not write.
    pub(crate) fn record_unexpected_value(&self, key: &str, value: impl Display) {
        self.count_decode_error(key, DecodeErrorCause::Other, &value);
    }

    /// Records a value from a key or a topic that could not be decoded.
    pub(crate) fn record_decode_error(&self, key: &str, error: &WireError) {
        self.count_decode_error(key, error.cause(), error);
    }

    fn count_decode_error(&self, key: &str, cause: DecodeErrorCause, error: &dyn Display) {
        Self::add_to_counter(&self.decode_errors[cause as usize], 1);
        let (label, hint) = (cause.label(), cause.hint());
        self.warn_of_cause(
            label,
            format_args!("{key} has a value that is not a message ({label}): {error}{hint}"),
        );
    }

    /// Records a message that had expired when the layer read it.
    pub(crate) fn record_expired(&self, key: &str) {
        Self::add_to_counter(&self.expired, 1);
        self.warn_of_cause(
            "expired",
            format_args!(
                "{key} has messages older than expiry, by the clocks of their senders and of this host"
            ),
        );
    }

    /// Logs a warning once in 30 s for each cause, and at DEBUG in between.
    fn warn_of_cause(&self, cause: &'static str, problem: impl Display) {
        let layer = &self.layer;
        match self.warn_limiter.try_acquire(cause) {
            None => tracing::debug!(layer, %problem, "channel layer has a problem"),
            Some(suppressed) => {
                tracing::warn!(layer, suppressed, %problem, "channel layer has a problem");
            }
        }
    }

    /// Logs a warning about a failure that may repeat, once in 30 s.
    pub(crate) fn warn_throttled(&self, problem: impl Display) {
        if let Some(suppressed) = self.warn_limiter.try_acquire("complaint") {
            let layer = &self.layer;
            tracing::warn!(layer, suppressed, %problem, "channel layer has a problem");
        }
    }

    fn lock_state(&self) -> MutexGuard<'_, HealthState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Publishes whether every connection is up. Holds the lock meanwhile, so that the later of two changes is
    /// published last. Publishing only wakes tasks.
    fn publish_connected(&self, mut state: MutexGuard<'_, HealthState>) {
        if state.is_shut_down {
            return;
        }
        let all_up = state.connections.values().all(|is_up| *is_up);
        if all_up && let Some((since, lost_before)) = state.outage.take() {
            let lost = self.lost.load(Ordering::Relaxed) - lost_before;
            let outage_ms = since.elapsed().as_millis();
            let layer = &self.layer;
            tracing::info!(layer, outage_ms, lost, "channel layer is back");
        }
        self.connected.send_if_modified(|connected| std::mem::replace(connected, all_up) != all_up);
    }
}

impl ConnectionHealth<'_> {
    /// Marks the connection as up.
    pub(crate) fn mark_up(&self) {
        let mut state = self.health.lock_state();
        state.connections.insert(self.id, true);
        self.health.publish_connected(state);
    }

    /// Marks the connection as down. Logs the first error of an outage, and the first error that shows the cause: a
    /// connection breaks without one, and the next attempt is refused with it.
    pub(crate) fn mark_down(&self, server: &str, error: &RedisError) {
        let mut state = self.health.lock_state();
        state.connections.insert(self.id, false);
        let shows_cause = is_informative(error);
        if state.outage.is_none() {
            state.outage = Some((
                Instant::now(),
                self.health.lost_at_round_trip_start.load(Ordering::Relaxed),
            ));
            state.cause_logged = shows_cause;
            let layer = &self.health.layer;
            tracing::warn!(layer, server, %error, "channel layer lost; reconnecting");
        } else if shows_cause && !state.cause_logged {
            state.cause_logged = true;
            let layer = &self.health.layer;
            tracing::warn!(layer, server, %error, "channel layer is still lost");
        }
        self.health.publish_connected(state);
    }
}

impl Drop for ConnectionHealth<'_> {
    fn drop(&mut self) {
        let mut state = self.health.lock_state();
        state.connections.remove(&self.id);
        state.is_shut_down |= self.is_permanent;
        self.health.publish_connected(state);
    }
}

/// Whether an error shows more than that a connection broke or could not be made.
fn is_informative(error: &RedisError) -> bool {
    !(error.is_connection_dropped() || error.is_connection_refusal() || error.is_timeout())
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::thread;

    use super::*;

    #[test]
    fn the_last_of_two_concurrent_changes_is_published() {
        let health = LayerHealth::new("default".to_owned());
        let broken = RedisError::from(std::io::Error::from(std::io::ErrorKind::BrokenPipe));
        let connections = [health.register_connection(), health.register_connection()];
        for round in 0..20_000 {
            connections[0].mark_up();
            connections[1].mark_down("server", &broken);
            let both = Barrier::new(2);
            thread::scope(|scope| {
                scope.spawn(|| {
                    both.wait();
                    connections[0].mark_down("server", &broken);
                });
                both.wait();
                connections[1].mark_up();
            });
            assert!(!health.is_connected(), "round {round}");
        }
    }
}
