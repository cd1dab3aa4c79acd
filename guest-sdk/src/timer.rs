use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The identifier of a timer of one connection. A consumer may store it in its state: a timer stays set, with the same
/// identifier, when the consumer moves to another version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TimerId(pub(crate) u32);

/// Converts a delay to milliseconds and rounds up, because a timer must not fire early.
pub(crate) fn delay_milliseconds(delay: Duration) -> u32 {
    delay.as_nanos().div_ceil(1_000_000).try_into().unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_are_rounded_up_and_bounded() {
        assert_eq!(delay_milliseconds(Duration::ZERO), 0);
        assert_eq!(delay_milliseconds(Duration::from_nanos(1)), 1);
        assert_eq!(delay_milliseconds(Duration::from_millis(250)), 250);
        assert_eq!(delay_milliseconds(Duration::MAX), u32::MAX);
    }
}
