//! The change that a write makes to the time of expiry of a key.

/// A change of a key's time of expiry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExpiryChange<T> {
    /// A key that exists keeps its time of expiry, and a new key does not expire.
    Keep,
    /// The key does not expire.
    Clear,
    /// The key expires at this time, or after it.
    Set(T),
}
