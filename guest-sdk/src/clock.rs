//! The time. A plugin that needs exact time has `clocks = true` under `[capabilities]` in its manifest, and the operator
//! has to grant it. Without it the clocks have steps of 100 ms.

use std::time::{Duration, SystemTime};

#[cfg(not(target_family = "wasm"))]
use crate::testing::native::imports::clock as imports;

/// The time since a fixed moment, as a monotonic clock of the host measures it. It never goes back. The moment differs
/// between two processes of the host.
#[cfg(target_family = "wasm")]
pub fn monotonic() -> Duration {
    use crate::bindings::grantable_world::wasi::clocks::monotonic_clock;
    Duration::from_nanos(monotonic_clock::now())
}

/// The date and time of the host's clock. It can go back when the clock is set.
#[cfg(target_family = "wasm")]
pub fn now() -> SystemTime {
    use crate::bindings::grantable_world::wasi::clocks::wall_clock;
    let wall_clock::Datetime { seconds, nanoseconds } = wall_clock::now();
    SystemTime::UNIX_EPOCH + Duration::new(seconds, nanoseconds)
}

/// The time since a fixed moment, as a monotonic clock of the host measures it. It never goes back.
///
/// In a plugin that a [`testing::Host`](crate::testing::Host) runs, only the test advances this clock. Other code of a
/// test gets the time since the first call.
#[cfg(not(target_family = "wasm"))]
pub fn monotonic() -> Duration {
    static START: std::sync::LazyLock<std::time::Instant> =
        std::sync::LazyLock::new(std::time::Instant::now);
    imports::monotonic().unwrap_or_else(|| START.elapsed())
}

/// The date and time of the host's clock.
///
/// In a plugin that a [`testing::Host`](crate::testing::Host) runs, only the test advances this clock. Other code of a
/// test gets the time of the machine.
#[cfg(not(target_family = "wasm"))]
pub fn now() -> SystemTime {
    imports::now().unwrap_or_else(SystemTime::now)
}
