//! The clocks of a guest.

use std::sync::LazyLock;
use std::time::Duration;

use tokio::time::Instant as TokioInstant;
use wasmtime_wasi::{HostMonotonicClock, HostWallClock};

use narrowboat_core::capabilities::{Capabilities, CapabilityFlag};
use narrowboat_schedule::WallClock;

/// The start of the monotonic clock: the first read by any guest, so that the clock does not reveal the uptime of the
/// machine.
static MONOTONIC_START: LazyLock<TokioInstant> = LazyLock::new(TokioInstant::now);

/// The resolution of the clocks of a plugin without the capability `clocks`. It is too coarse to measure how long
/// another tenant's work takes.
const COARSE_RESOLUTION: Duration = Duration::from_millis(100);

/// The wall clock and the monotonic clock of a guest. Both follow the clock of tokio, which is the one of its timers: a test
/// of a plugin stops that clock and advances it.
#[derive(Debug, Clone)]
pub(super) struct GuestClock {
    resolution: Duration,
    wall_clock: WallClock,
}

impl GuestClock {
    /// Returns exact clocks for a plugin with the capability `clocks`, and coarse clocks for others.
    pub(super) fn new(capabilities: &Capabilities, wall_clock: WallClock) -> Self {
        let resolution = match capabilities.has_flag(CapabilityFlag::Clocks) {
            true => Duration::from_nanos(1),
            false => COARSE_RESOLUTION,
        };
        Self { resolution, wall_clock }
    }

    /// Rounds a time down to the resolution.
    fn round_down(&self, time: Duration) -> Duration {
        let rest = time.as_nanos() % self.resolution.as_nanos();
        time - Duration::from_nanos(u64::try_from(rest).unwrap_or_default())
    }
}

impl HostWallClock for GuestClock {
    fn resolution(&self) -> Duration {
        self.resolution
    }

    fn now(&self) -> Duration {
        self.round_down(self.wall_clock.now())
    }
}

impl HostMonotonicClock for GuestClock {
    fn resolution(&self) -> u64 {
        to_nanoseconds(self.resolution)
    }

    fn now(&self) -> u64 {
        to_nanoseconds(self.round_down(MONOTONIC_START.elapsed()))
    }
}

fn to_nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_the_capability_the_clocks_are_coarse() {
        let coarse = GuestClock::new(&Capabilities::default(), WallClock::default());
        assert_eq!(coarse.round_down(Duration::from_millis(1_299)), Duration::from_millis(1_200));
        assert_eq!(HostMonotonicClock::now(&coarse) % to_nanoseconds(COARSE_RESOLUTION), 0);
        assert_eq!(HostWallClock::now(&coarse).subsec_millis() % 100, 0);
    }

    #[test]
    fn an_exact_clock_does_not_round() {
        let exact =
            GuestClock { resolution: Duration::from_nanos(1), wall_clock: WallClock::default() };
        assert_eq!(exact.round_down(Duration::from_nanos(7)), Duration::from_nanos(7));
    }
}
