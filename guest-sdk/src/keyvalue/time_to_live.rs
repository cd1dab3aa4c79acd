use std::time::Duration;

/// The time that a key has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeToLive {
    /// The key does not exist.
    Missing,
    /// The key lives until it is deleted.
    Unlimited,
    /// The key is deleted after this time.
    Remaining(Duration),
}

impl TimeToLive {
    /// The time that is left; `None` if the key does not exist, and if it has no end.
    #[must_use]
    pub fn remaining(self) -> Option<Duration> {
        match self {
            Self::Remaining(time) => Some(time),
            Self::Missing | Self::Unlimited => None,
        }
    }
}
