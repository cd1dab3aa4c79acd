//! What time it is, for plugins whose manifests say `clocks = true` under `[capabilities]` and whose operators grant it: the
//! host refuses any other that calls what is here.

use std::time::{Duration, SystemTime};

/// How much time has passed since some moment of the host's. It never goes back, and begins anew with another process.
#[cfg(target_family = "wasm")]
pub fn monotonic() -> Duration {
    use crate::bindings::grantable_world::wasi::clocks::monotonic_clock;
    Duration::from_nanos(monotonic_clock::now())
}

/// The date and time. It may be set back while the plugin runs.
#[cfg(target_family = "wasm")]
pub fn now() -> SystemTime {
    use crate::bindings::grantable_world::wasi::clocks::wall_clock;
    let wall_clock::Datetime { seconds, nanoseconds } = wall_clock::now();
    SystemTime::UNIX_EPOCH + Duration::new(seconds, nanoseconds)
}

/// How much time has passed since this was first asked: this is no plugin but a test of one.
#[cfg(not(target_family = "wasm"))]
pub fn monotonic() -> Duration {
    static BEGAN: std::sync::LazyLock<std::time::Instant> =
        std::sync::LazyLock::new(std::time::Instant::now);
    BEGAN.elapsed()
}

/// The date and time.
#[cfg(not(target_family = "wasm"))]
pub fn now() -> SystemTime {
    SystemTime::now()
}
