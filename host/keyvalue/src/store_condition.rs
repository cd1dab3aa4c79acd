//! Whether a key-value store takes writes.

/// Whether a key-value store takes writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreCondition {
    /// It takes writes, as far as is known.
    Healthy,
    /// The disk is full, and it takes no writes until there is room.
    Full(String),
    /// The disk has failed, and it takes no writes until the host starts again.
    ReadOnly(String),
}
