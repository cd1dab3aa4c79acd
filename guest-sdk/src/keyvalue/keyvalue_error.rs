use std::fmt;

/// Why an operation on a bucket failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyValueError {
    /// The name is not a valid name of a bucket.
    NoSuchStore,
    /// This plugin may not use the bucket.
    AccessDenied,
    /// A limit is reached, such as the quota of the tenant, or the server that stores the values does not respond.
    Other(String),
}

impl fmt::Display for KeyValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchStore => f.write_str("no such store"),
            Self::AccessDenied => f.write_str("access denied"),
            Self::Other(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for KeyValueError {}
