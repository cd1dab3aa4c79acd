//! Whether Redis is reached, and what was lost while it was not.

use std::collections::HashMap;
use std::fmt::Display;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use redis::RedisError;
use tokio::sync::watch;
use tokio::time::Instant;

use super::wire::WireError;
use crate::{ForeignCause, ForeignCounts, LayerStatus};
use narrowboat_core::times::Times;
use narrowboat_redis_client::WarnLimiter;

/// What one layer counts, and which of its connections stand.
pub(crate) struct Health {
    /// For the log.
    layer: String,
    links: Mutex<Links>,
    connected: watch::Sender<bool>,
    warnings: WarnLimiter,
    pub(crate) dropped: AtomicU64,
    pub(crate) lost: AtomicU64,
    /// The value of `lost` when the last round trip began.
    lost_before: AtomicU64,
    pub(crate) foreign: [AtomicU64; ForeignCause::ALL.len()],
    pub(crate) expired: AtomicU64,
    pub(crate) round_trips: Times,
}

#[derive(Default)]
struct Links {
    last: u64,
    /// Whether each stands.
    all: HashMap<u64, bool>,
    /// Since when one does not, once that has been logged, and what had been lost before.
    away: Option<(Instant, u64)>,
    /// Whether an error has been logged that shows the cause.
    cause_logged: bool,
    /// The connection that lasts as long as the layer has ended, so the layer has.
    has_ended: bool,
}

/// One connection that has to stand for the layer to be whole; forgotten when dropped.
pub(crate) struct Link<'a> {
    health: &'a Health,
    id: u64,
    /// Whether it lasts as long as the layer.
    is_lasting: bool,
}

impl Health {
    pub(crate) fn new(layer: String) -> Self {
        Self {
            layer,
            links: Mutex::default(),
            connected: watch::Sender::new(false),
            dropped: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            lost_before: AtomicU64::new(0),
            foreign: Default::default(),
            warnings: WarnLimiter::default(),
            expired: AtomicU64::new(0),
            round_trips: Times::default(),
        }
    }

    /// A connection that lasts as long as the layer, which is not whole without it until it stands.
    pub(crate) fn link(&self) -> Link<'_> {
        self.add(true)
    }

    /// A connection that counts as standing until it is found that it cannot be made.
    pub(crate) fn further_link(&self) -> Link<'_> {
        self.add(false)
    }

    fn add(&self, is_lasting: bool) -> Link<'_> {
        let mut links = self.lock();
        links.last += 1;
        let id = links.last;
        links.all.insert(id, !is_lasting);
        Link { health: self, id, is_lasting }
    }

    /// Whether every connection stands.
    pub(crate) fn is_connected(&self) -> bool {
        *self.connected.borrow()
    }

    /// How the layer fares, where so many operations wait.
    pub(crate) fn status(&self, waiting: usize) -> LayerStatus {
        LayerStatus {
            connected: self.is_connected(),
            dropped: self.dropped.load(Ordering::Relaxed),
            lost: self.lost.load(Ordering::Relaxed),
            foreign: ForeignCounts::read(|cause| {
                self.foreign[cause as usize].load(Ordering::Relaxed)
            }),
            expired: self.expired.load(Ordering::Relaxed),
            waiting,
            round_trips: Some(self.round_trips.now()),
        }
    }

    /// Tells that a server has lost what was written to it, though it was never away.
    pub(crate) fn tell_forgotten(&self, why: &str) {
        if self.warnings.admit("forgotten").is_some() {
            let layer = &self.layer;
            tracing::warn!(
                layer,
                "{why}; memberships are written again, which is said once in 30 s"
            );
        }
    }

    /// Notes that a round trip begins. What is lost in one that fails counts to the outage.
    pub(crate) fn begin_round_trip(&self) {
        self.lost_before.store(self.lost.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// Tells of each change.
    pub(crate) fn watch(&self) -> watch::Receiver<bool> {
        self.connected.subscribe()
    }

    pub(crate) fn count(counter: &AtomicU64, by: u64) {
        counter.fetch_add(by, Ordering::Relaxed);
    }

    /// Notes something in Redis that is not a layer's.
    pub(crate) fn note_foreign(&self, key: &str, what: impl Display) {
        self.not_taken(key, ForeignCause::Other, &what);
    }

    /// Notes what was taken from a key, or published, and cannot be read.
    pub(crate) fn note_unreadable(&self, key: &str, error: &WireError) {
        self.not_taken(key, error.cause(), error);
    }

    fn not_taken(&self, key: &str, cause: ForeignCause, what: &dyn Display) {
        Self::count(&self.foreign[cause as usize], 1);
        let (name, hint) = (cause.name(), cause.hint());
        self.warn(name, format_args!("{key} has what is not a message ({name}): {what}{hint}"));
    }

    /// Notes a message that had expired when it was taken.
    pub(crate) fn note_expired(&self, key: &str) {
        Self::count(&self.expired, 1);
        self.warn(
            "expired",
            format_args!(
                "{key} has messages that are older than expiry by the clocks of their senders and of this host"
            ),
        );
    }

    /// Warns of a cause once in an interval.
    fn warn(&self, cause: &'static str, what: impl Display) {
        let layer = &self.layer;
        match self.warnings.admit(cause) {
            None => tracing::debug!(layer, "{what}"),
            Some(0) => tracing::warn!(layer, "{what} (said once in 30 s)"),
            Some(untold) => {
                tracing::warn!(layer, "{what} ({untold} more since this was last said)");
            }
        }
    }

    /// Tells the operator of something that goes wrong again and again, now and then.
    pub(crate) fn complain(&self, what: impl Display) {
        if self.warnings.admit("complaint").is_some() {
            tracing::warn!(layer = self.layer, "{what}; of further ones nothing is said for 30 s");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Links> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Publishes whether all stand. The lock is held meanwhile, so that of two changes the later one is published last;
    /// publishing only wakes tasks.
    fn tell(&self, mut links: MutexGuard<'_, Links>) {
        if links.has_ended {
            return;
        }
        let stand = links.all.values().all(|stands| *stands);
        if stand && let Some((since, lost)) = links.away.take() {
            let lost = self.lost.load(Ordering::Relaxed) - lost;
            let seconds = since.elapsed().as_secs_f64();
            let layer = &self.layer;
            tracing::info!(layer, "channel layer is back after {seconds:.1} s; {lost} lost");
        }
        self.connected.send_if_modified(|connected| std::mem::replace(connected, stand) != stand);
    }
}

impl Link<'_> {
    /// The connection stands.
    pub(crate) fn up(&self) {
        let mut links = self.health.lock();
        links.all.insert(self.id, true);
        self.health.tell(links);
    }

    /// The connection does not stand. The first error of an outage is logged, and so is the first that shows the cause:
    /// a connection breaks, and only the next one is refused.
    pub(crate) fn down(&self, server: &str, error: &RedisError) {
        let mut links = self.health.lock();
        links.all.insert(self.id, false);
        let is_telling = is_telling(error);
        if links.away.is_none() {
            links.away = Some((Instant::now(), self.health.lost_before.load(Ordering::Relaxed)));
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
        self.health.tell(links);
    }
}

impl Drop for Link<'_> {
    fn drop(&mut self) {
        let mut links = self.health.lock();
        links.all.remove(&self.id);
        links.has_ended |= self.is_lasting;
        self.health.tell(links);
    }
}

/// Whether an error says more than that a connection broke or could not be made.
fn is_telling(error: &RedisError) -> bool {
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
        let links = [health.link(), health.link()];
        for round in 0..20_000 {
            links[0].up();
            links[1].down("server", &gone);
            let both = Barrier::new(2);
            thread::scope(|scope| {
                scope.spawn(|| {
                    both.wait();
                    links[0].down("server", &gone);
                });
                both.wait();
                links[1].up();
            });
            assert!(!health.is_connected(), "round {round}");
        }
    }
}
