//! The clock of QuickJS.

use std::time::SystemTime;

/// Microseconds since the Unix epoch. The C library of QuickJS calls this.
#[unsafe(no_mangle)]
extern "C" fn __rquickjs_host_now_us() -> f64 {
    let now = narrowboat_guest::clock::now().duration_since(SystemTime::UNIX_EPOCH);
    now.map_or(0.0, |time| time.as_micros() as f64)
}
