use std::time::{Duration, SystemTime};

use crate::testing::native::current_instance::with_host;

/// The time since the host of the test was created; `None` outside of its plugin.
pub(crate) fn monotonic() -> Option<Duration> {
    with_host(|host, _| host.elapsed)
}

/// The date and time of the host of the test; `None` outside of its plugin.
pub(crate) fn now() -> Option<SystemTime> {
    with_host(|host, _| host.started + host.elapsed)
}
