//! `narrowboat:consumer/call-time`: the time of the running call.

use crate::bindings::source_loader_world::narrowboat::consumer::call_time::{CallTime, Host};
use crate::store::GuestState;

impl Host for GuestState {
    fn get(&mut self) -> wasmtime::Result<CallTime> {
        let (limit, left) = self.stopwatch.call_time();
        let microseconds =
            |time: std::time::Duration| time.as_micros().try_into().unwrap_or(u64::MAX);
        Ok(CallTime { limit: microseconds(limit), left: microseconds(left) })
    }
}
