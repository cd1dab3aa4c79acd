//! The values of entries in the file.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The bytes of a time of expiry.
pub(super) const EXPIRY_LEN: usize = 8;

/// A time in milliseconds since 1970, by the clock of this machine.
pub(super) type WallMillis = u64;

/// The expiry of an entry that does not expire.
pub(super) const NEVER: WallMillis = 0;

/// Returns the current time.
pub(super) fn wall_now() -> WallMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Returns the time after a time to live, which is rounded up to whole milliseconds.
pub(super) fn wall_after(now: WallMillis, ttl: Duration) -> WallMillis {
    let millis = ttl.as_nanos().div_ceil(1_000_000);
    now.saturating_add(u64::try_from(millis).unwrap_or(u64::MAX))
}

/// Returns the value in the file: the time of expiry, and the value of the plugin.
pub(super) fn encode_value(expiry: WallMillis, value: &[u8]) -> Vec<u8> {
    [&expiry.to_be_bytes(), value].concat()
}

/// Returns the time of expiry and the value of the plugin.
pub(super) fn decode_value(stored: &[u8]) -> (WallMillis, &[u8]) {
    match stored.split_first_chunk::<EXPIRY_LEN>() {
        Some((expiry, value)) => (WallMillis::from_be_bytes(*expiry), value),
        None => (NEVER, &[]),
    }
}

/// Whether an entry with this time of expiry has not expired at `now`.
pub(super) fn is_live(expiry: WallMillis, now: WallMillis) -> bool {
    expiry == NEVER || expiry > now
}
