//! `wasi:clocks`: reads clocks. Guests cannot wait for a time.

use std::sync::LazyLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::bindings::grantable_world::wasi::clocks::{monotonic_clock, wall_clock};
use crate::store::GuestState;

/// The start of the monotonic clock: the first read by any guest, so that the clock does not reveal the uptime of the
/// machine.
static MONOTONIC_START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// The resolution of both clocks.
const RESOLUTION_NANOS: u32 = 1;

impl monotonic_clock::Host for GuestState {
    fn now(&mut self) -> wasmtime::Result<u64> {
        Ok(u64::try_from(MONOTONIC_START.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    fn resolution(&mut self) -> wasmtime::Result<u64> {
        Ok(RESOLUTION_NANOS.into())
    }
}

impl wall_clock::Host for GuestState {
    fn now(&mut self) -> wasmtime::Result<wall_clock::Datetime> {
        // A clock before 1970 is reported as 1970.
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let (seconds, nanoseconds) = (since_epoch.as_secs(), since_epoch.subsec_nanos());
        Ok(wall_clock::Datetime { seconds, nanoseconds })
    }

    fn resolution(&mut self) -> wasmtime::Result<wall_clock::Datetime> {
        Ok(wall_clock::Datetime { seconds: 0, nanoseconds: RESOLUTION_NANOS })
    }
}
