//! The clock of a host under test.

use std::sync::mpsc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;

use narrowboat_schedule::WallClock;

/// The wall-clock time at which each test begins: 1 January 2026, 00:00 UTC, as the time since the Unix epoch.
pub(crate) const WALL_CLOCK_START: Duration = Duration::from_secs(1_767_225_600);

/// The wall clock of a test, and of the host that it talks to.
pub(crate) fn test_clock() -> WallClock {
    WallClock::simulated(WALL_CLOCK_START)
}

/// The clock of a host under test, which is the paused clock of its tokio runtime.
///
/// A paused clock jumps to the next timer by itself whenever the runtime has nothing else to do, except while a blocking
/// task runs. So a blocking task that waits keeps the clock where it is.
pub(crate) struct VirtualClock {
    /// `None` only while the clock advances.
    hold: Option<ClockHold>,
}

/// Keeps the clock where it is until it is dropped.
struct ClockHold {
    release: mpsc::Sender<()>,
    task: JoinHandle<()>,
}

impl ClockHold {
    fn start() -> Self {
        let (release, released) = mpsc::channel();
        let wait = move || {
            // Fails when the sender is dropped, which is the signal.
            let _ = released.recv();
        };
        Self { release, task: tokio::task::spawn_blocking(wait) }
    }

    async fn end(self) {
        drop(self.release);
        let _ = self.task.await;
    }
}

impl VirtualClock {
    /// Stops the clock of the current runtime, which must have one thread and a paused clock.
    pub(crate) fn start() -> Self {
        Self { hold: Some(ClockHold::start()) }
    }

    /// Advances the clock. The host runs meanwhile, and each timer expires at its time.
    pub(crate) async fn advance(&mut self, time: Duration) {
        let end = tokio::time::sleep_until(Instant::now() + time);
        // Both at once, so that the clock cannot jump beyond the end before its timer is set.
        match self.hold.take() {
            Some(hold) => drop(tokio::join!(hold.end(), end)),
            None => end.await,
        }
        self.hold = Some(ClockHold::start());
    }
}
