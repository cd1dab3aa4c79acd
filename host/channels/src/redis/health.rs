//! Whether Redis is reached, and what was lost while it was not.

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

/// What one layer counts, and which of its connections stand.
pub(crate) struct Health {
    /// For the log.
    layer: String,
    state: Mutex<HealthState>,
    connected: watch::Sender<bool>,
    warn_limiter: WarnLimiter,
    pub(crate) dropped: AtomicU64,
    pub(crate) lost: AtomicU64,
    /// The value of `lost` when the last round trip began.
    lost_at_round_trip_start: AtomicU64,
    pub(crate) decode_errors: [AtomicU64; DecodeErrorCause::ALL.len()],
    pub(crate) expired: AtomicU64,
    pub(crate) round_trips: Histogram,
}

#[derive(Default)]
struct HealthState {
    last_id: u64,
    /// Whether each stands.
    connections: HashMap<u64, bool>,
    /// Since when one does not, once that has been logged, and what had been lost before.
    outage: Option<(Instant, u64)>,
    /// Whether an error has been logged that shows the cause.
    cause_logged: bool,
    /// The connection that lasts as long as the layer has ended, so the layer has.
    is_shut_down: bool,
}

/// One connection that has to stand for the layer to be whole; forgotten when dropped.
pub(crate) struct ConnectionHealth<'a> {
    health: &'a Health,
    id: u64,
    /// Whether it lasts as long as the layer.
    is_permanent: bool,
}

impl Health {
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
            round_trips: Histogram::default(),
        }
    }

    /// A connection that lasts as long as the layer, which is not whole without it until it stands.
    pub(crate) fn register_connection(&self) -> ConnectionHealth<'_> {
        self.register(true)
    }

    /// A connection that counts as standing until it is found that it cannot be made.
    pub(crate) fn register_extra_connection(&self) -> ConnectionHealth<'_> {
        self.register(false)
    }

    fn register(&self, is_lasting: bool) -> ConnectionHealth<'_> {
        let mut links = self.lock_state();
        links.last_id += 1;
        let id = links.last_id;
        links.connections.insert(id, !is_lasting);
        ConnectionHealth { health: self, id, is_permanent: is_lasting }
    }

    /// Whether every connection stands.
    pub(crate) fn is_connected(&self) -> bool {
        *self.connected.borrow()
    }

    /// How the layer fares, where so many operations wait.
    pub(crate) fn status(&self, waiting: usize) -> LayerStatus {
        LayerStatus {
            connected: self.is_connected(),
            dropped_count: self.dropped.load(Ordering::Relaxed),
            lost: self.lost.load(Ordering::Relaxed),
            decode_errors: DecodeErrorCounts::from_counts(|cause| {
                self.decode_errors[cause as usize].load(Ordering::Relaxed)
            }),
            expired_count: self.expired.load(Ordering::Relaxed),
            queued_count: waiting,
            round_trips: Some(self.round_trips.now()),
        }
    }

    /// Tells that a server has lost what was written to it, though it was never away.
    pub(crate) fn warn_data_lost(&self, why: &str) {
        if self.warn_limiter.try_acquire("forgotten").is_some() {
            let layer = &self.layer;
            tracing::warn!(
                layer,
                "{why}; memberships are written again, which is said once in 30 s"
            );
        }
    }

    /// Notes that a round trip begins. What is lost in one that fails counts to the outage.
    pub(crate) fn begin_round_trip(&self) {
        self.lost_at_round_trip_start.store(self.lost.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// Tells of each change.
    pub(crate) fn subscribe_connected(&self) -> watch::Receiver<bool> {
        self.connected.subscribe()
    }

    pub(crate) fn count(counter: &AtomicU64, by: u64) {
        counter.fetch_add(by, Ordering::Relaxed);
    }

    /// Notes something in Redis that is not a layer's.
    pub(crate) fn record_unexpected_value(&self, key: &str, what: impl Display) {
        self.count_decode_error(key, DecodeErrorCause::Other, &what);
    }

    /// Notes what was taken from a key, or published, and cannot be read.
    pub(crate) fn record_decode_error(&self, key: &str, error: &WireError) {
        self.count_decode_error(key, error.cause(), error);
    }

    fn count_decode_error(&self, key: &str, cause: DecodeErrorCause, what: &dyn Display) {
        Self::count(&self.decode_errors[cause as usize], 1);
        let (name, hint) = (cause.name(), cause.hint());
        self.warn_of_cause(
            name,
            format_args!("{key} has what is not a message ({name}): {what}{hint}"),
        );
    }

    /// Notes a message that had expired when it was taken.
    pub(crate) fn record_expired(&self, key: &str) {
        Self::count(&self.expired, 1);
        self.warn_of_cause(
            "expired",
            format_args!(
                "{key} has messages that are older than expiry by the clocks of their senders and of this host"
            ),
        );
    }

    /// Warns of a cause once in an interval.
    fn warn_of_cause(&self, cause: &'static str, what: impl Display) {
        let layer = &self.layer;
        match self.warn_limiter.try_acquire(cause) {
            None => tracing::debug!(layer, "{what}"),
            Some(0) => tracing::warn!(layer, "{what} (said once in 30 s)"),
            Some(untold) => {
                tracing::warn!(layer, "{what} ({untold} more since this was last said)");
            }
        }
    }

    /// Tells the operator of something that goes wrong again and again, now and then.
    pub(crate) fn complain(&self, what: impl Display) {
        if self.warn_limiter.try_acquire("complaint").is_some() {
            tracing::warn!(layer = self.layer, "{what}; of further ones nothing is said for 30 s");
        }
    }

    fn lock_state(&self) -> MutexGuard<'_, HealthState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Publishes whether all stand. The lock is held meanwhile, so that of two changes the later one is published last;
    /// publishing only wakes tasks.
    fn publish_connected(&self, mut links: MutexGuard<'_, HealthState>) {
        if links.is_shut_down {
            return;
        }
        let stand = links.connections.values().all(|stands| *stands);
        if stand && let Some((since, lost)) = links.outage.take() {
            let lost = self.lost.load(Ordering::Relaxed) - lost;
            let seconds = since.elapsed().as_secs_f64();
            let layer = &self.layer;
            tracing::info!(layer, "channel layer is back after {seconds:.1} s; {lost} lost");
        }
        self.connected.send_if_modified(|connected| std::mem::replace(connected, stand) != stand);
    }
}

impl ConnectionHealth<'_> {
    /// The connection stands.
    pub(crate) fn mark_up(&self) {
        let mut links = self.health.lock_state();
        links.connections.insert(self.id, true);
        self.health.publish_connected(links);
    }

    /// The connection does not stand. The first error of an outage is logged, and so is the first that shows the cause:
    /// a connection breaks, and only the next one is refused.
    pub(crate) fn mark_down(&self, server: &str, error: &RedisError) {
        let mut links = self.health.lock_state();
        links.connections.insert(self.id, false);
        let is_telling = is_informative(error);
        if links.outage.is_none() {
            links.outage = Some((
                Instant::now(),
                self.health.lost_at_round_trip_start.load(Ordering::Relaxed),
            ));
            links.cause_logged = is_telling;
            let layer = &self.health.layer;
            tracing::warn!(
                layer,
                server,
                "channel layer lost: {error}; trying again until it is back"
            );
        } else if is_telling && !links.cause_logged {
            links.cause_logged = true;
            let layer = &self.health.layer;
            tracing::warn!(layer, server, "channel layer is still lost: {error}");
        }
        self.health.publish_connected(links);
    }
}

impl Drop for ConnectionHealth<'_> {
    fn drop(&mut self) {
        let mut links = self.health.lock_state();
        links.connections.remove(&self.id);
        links.is_shut_down |= self.is_permanent;
        self.health.publish_connected(links);
    }
}

/// Whether an error says more than that a connection broke or could not be made.
fn is_informative(error: &RedisError) -> bool {
    !(error.is_connection_dropped() || error.is_connection_refusal() || error.is_timeout())
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::thread;

    use super::*;

    #[test]
    fn of_changes_at_the_same_time_the_last_is_published() {
        let health = Health::new("default".to_owned());
        let gone = RedisError::from(std::io::Error::from(std::io::ErrorKind::BrokenPipe));
        let links = [health.register_connection(), health.register_connection()];
        for round in 0..20_000 {
            links[0].mark_up();
            links[1].mark_down("server", &gone);
            let both = Barrier::new(2);
            thread::scope(|scope| {
                scope.spawn(|| {
                    both.wait();
                    links[0].mark_down("server", &gone);
                });
                both.wait();
                links[1].mark_up();
            });
            assert!(!health.is_connected(), "round {round}");
        }
    }
}
