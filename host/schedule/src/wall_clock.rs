//! The wall clock of a host.

use std::sync::Arc;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;
use tokio::time::Instant as TokioInstant;

/// The wall clock of a host, which guests and schedules read. It follows the clock of tokio: a test of a plugin stops
/// that clock and advances it.
#[derive(Debug, Clone, Default)]
pub struct WallClock {
    /// `None` for the clock of the system.
    simulated: Option<Arc<SimulatedClock>>,
}

/// A clock whose time a test sets.
#[derive(Debug)]
struct SimulatedClock {
    anchor: Mutex<Anchor>,
    /// The number of times that the clock was set.
    set_count: watch::Sender<u64>,
}

/// A wall-clock time, as the time since the Unix epoch, and the time of tokio's clock at which it was read.
#[derive(Debug, Clone, Copy)]
struct Anchor {
    wall: Duration,
    read_at: TokioInstant,
}

impl Anchor {
    fn now(self) -> Duration {
        self.wall + self.read_at.elapsed()
    }
}

impl WallClock {
    /// A clock that shows `time` now, as the time since the Unix epoch.
    pub fn simulated(time: Duration) -> Self {
        let anchor = Mutex::new(Anchor { wall: time, read_at: TokioInstant::now() });
        let set_count = watch::Sender::new(0);
        Self { simulated: Some(Arc::new(SimulatedClock { anchor, set_count })) }
    }

    /// Whether a test sets the time.
    pub fn is_simulated(&self) -> bool {
        self.simulated.is_some()
    }

    /// The time since the Unix epoch. A clock before 1970 shows 1970.
    pub fn now(&self) -> Duration {
        match &self.simulated {
            Some(clock) => clock.anchor.lock().unwrap_or_else(PoisonError::into_inner).now(),
            None => system_time(),
        }
    }

    /// The Unix time in whole seconds.
    pub fn now_seconds(&self) -> i64 {
        i64::try_from(self.now().as_secs()).unwrap_or(i64::MAX)
    }

    /// Puts a simulated clock forward or back by seconds, as an administrator does. The clock of the system stays.
    pub fn step(&self, seconds: i64) {
        let Some(clock) = &self.simulated else { return };
        let mut anchor = clock.anchor.lock().unwrap_or_else(PoisonError::into_inner);
        let (now, step) = (anchor.now(), Duration::from_secs(seconds.unsigned_abs()));
        let wall = if seconds < 0 { now.saturating_sub(step) } else { now + step };
        *anchor = Anchor { wall, read_at: TokioInstant::now() };
    }

    /// Sets a simulated clock, as if the host had started at that time. Returns `false` for the clock of the system,
    /// which stays.
    pub fn set(&self, time: Duration) -> bool {
        let Some(clock) = &self.simulated else { return false };
        let anchor = Anchor { wall: time, read_at: TokioInstant::now() };
        *clock.anchor.lock().unwrap_or_else(PoisonError::into_inner) = anchor;
        clock.set_count.send_modify(|count| *count += 1);
        true
    }

    /// Waits until the clock is set the next time. Never for the clock of the system.
    pub async fn wait_until_set(&self) {
        if let Some(mut set_count) = self.subscribe()
            && set_count.changed().await.is_ok()
        {
            return;
        }
        std::future::pending::<()>().await;
    }

    /// A receiver of the number of times that the clock was set. `None` for the clock of the system.
    pub(crate) fn subscribe(&self) -> Option<watch::Receiver<u64>> {
        self.simulated.as_ref().map(|clock| clock.set_count.subscribe())
    }
}

/// The time of the system, ahead of it by the time that a test has let pass on tokio's clock.
fn system_time() -> Duration {
    let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let (real, timers) = (Instant::now(), TokioInstant::now().into_std());
    let ahead = timers.saturating_duration_since(real);
    let behind = real.saturating_duration_since(timers);
    (time + ahead).saturating_sub(behind)
}
