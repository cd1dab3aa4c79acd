//! Delays between attempts to connect.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};

/// Returns the delays between attempts to connect to a server. They are short, since clients wait, and have jitter,
/// since other hosts connect too.
pub(crate) fn reconnect_delays() -> impl Iterator<Item = Duration> {
    jittered_backoff(Duration::from_millis(50), Duration::from_millis(500))
}

/// Returns delays that grow from `first` to `last`, without end.
pub(crate) fn jittered_backoff(first: Duration, last: Duration) -> impl Iterator<Item = Duration> {
    let backoff = ExponentialBuilder::default().with_min_delay(first).with_max_delay(last);
    backoff.with_jitter().without_max_times().build()
}
