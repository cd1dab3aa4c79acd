//! Keys and values that outlive instances and versions. A plugin that uses them needs `keyvalue = true` under
//! `[capabilities]` in its manifest, and the operator has to grant it. Without it [`open`] returns
//! [`KeyValueError::AccessDenied`].
//!
//! A bucket exists once it is opened, and all plugins of a tenant share it. A write takes effect at once, not when the
//! call returns, and a trap later in the call does not undo it. While a version is on trial or saves its state, it can
//! read but not write. The calls of a plugin with this capability run on guest threads, because each operation may wait
//! for a server.
//!
//! ```
//! use narrowboat_guest::keyvalue::{self, KeyValueError};
//!
//! fn visits() -> Result<i64, KeyValueError> {
//!     let bucket = keyvalue::open("visits")?;
//!     bucket.set("last", b"me")?;
//!     assert_eq!(bucket.get("last")?.as_deref(), Some(&b"me"[..]));
//!     bucket.increment("count", 1)
//! }
//! # assert!(visits().is_err(), "only a plugin that a host runs has buckets");
//! ```

use std::fmt;

#[cfg(not(target_family = "wasm"))]
mod native;
#[cfg(target_family = "wasm")]
mod wasi;

#[cfg(not(target_family = "wasm"))]
use native as backend;
#[cfg(target_family = "wasm")]
use wasi as backend;

/// A named collection of keys and values.
#[derive(Debug)]
pub struct Bucket(backend::Bucket);

/// A page of the keys of a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPage {
    /// The keys, in no particular order.
    pub keys: Vec<String>,
    /// The argument of [`Bucket::list_keys`] for the next page; `None` on the last page.
    pub cursor: Option<String>,
}

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

/// Opens the bucket with this name: 1 to 99 ASCII letters, digits, `.`, `_` and `-`.
///
/// # Errors
/// [`KeyValueError::NoSuchStore`] for any other name.
pub fn open(name: &str) -> Result<Bucket, KeyValueError> {
    backend::open(name).map(Bucket)
}

impl Bucket {
    /// Returns the value of a key, or `None` if the key does not exist.
    ///
    /// # Errors
    /// [`KeyValueError::Other`] if the key is too long or the server does not respond.
    pub fn get(&self, key: &str) -> Result<Option<Vec<u8>>, KeyValueError> {
        self.0.get(key)
    }

    /// Sets the value of a key and replaces an earlier value.
    ///
    /// # Errors
    /// [`KeyValueError::Other`] if the key or the value is too long, a quota is reached, or the server does not
    /// respond.
    pub fn set(&self, key: &str, value: impl AsRef<[u8]>) -> Result<(), KeyValueError> {
        self.0.set(key, value.as_ref())
    }

    /// Deletes a key. Does nothing if the key does not exist.
    ///
    /// # Errors
    /// As [`Bucket::get`].
    pub fn delete(&self, key: &str) -> Result<(), KeyValueError> {
        self.0.delete(key)
    }

    /// Whether a key exists.
    ///
    /// # Errors
    /// As [`Bucket::get`].
    pub fn exists(&self, key: &str) -> Result<bool, KeyValueError> {
        self.0.exists(key)
    }

    /// Returns a page of the keys: the first page, or the page at the cursor of an earlier page.
    ///
    /// # Errors
    /// [`KeyValueError::Other`] if the server does not respond.
    pub fn list_keys(&self, cursor: Option<&str>) -> Result<KeyPage, KeyValueError> {
        self.0.list_keys(cursor)
    }

    /// Adds `delta` to a number atomically and returns the sum. The number is stored in decimal digits. A key that does
    /// not exist counts as 0.
    ///
    /// # Errors
    /// The errors of [`Bucket::set`], and [`KeyValueError::Other`] if the value or the sum is not a 64-bit integer.
    pub fn increment(&self, key: &str, delta: i64) -> Result<i64, KeyValueError> {
        self.0.increment(key, delta)
    }
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
