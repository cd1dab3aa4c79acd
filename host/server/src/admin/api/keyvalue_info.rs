//! The JSON bodies about the key-value store.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The key-value store of plugins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeyvalueInfo {
    /// Whether the store takes writes, as far as the host knows.
    pub writable: bool,
    /// Why the store takes no writes, or null.
    pub problem: Option<String>,
}

/// A page of the keys of a bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeyvalueKeyList {
    /// The keys.
    pub keys: Vec<KeyvalueKeyInfo>,
    /// The cursor of the next page, or null if this is the last one.
    pub cursor: Option<String>,
}

/// A key of a bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeyvalueKeyInfo {
    /// The key.
    pub key: String,
    /// Milliseconds until the key expires, or null if it does not.
    pub ttl_ms: Option<u64>,
}

/// The result of a compaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeyvalueCompactResponse {
    /// The size of the file before, in bytes.
    pub bytes_before: u64,
    /// The size of the file now, in bytes.
    pub bytes_after: u64,
}
