//! `wasi:clocks`: what time it is. Nothing here waits for one.

use std::sync::LazyLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::bindings::grantable_world::wasi::clocks::{monotonic_clock, wall_clock};
use crate::store::GuestState;

/// From where the monotonic clock counts: when a guest first asked it, which says nothing of the machine.
static MONOTONIC_START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// What both clocks count in.
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
        // A clock that stands before 1970 is no better than one that stands at its beginning.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let (seconds, nanoseconds) = (since.as_secs(), since.subsec_nanos());
        Ok(wall_clock::Datetime { seconds, nanoseconds })
    }

    fn resolution(&mut self) -> wasmtime::Result<wall_clock::Datetime> {
        Ok(wall_clock::Datetime { seconds: 0, nanoseconds: RESOLUTION_NANOS })
    }
}
