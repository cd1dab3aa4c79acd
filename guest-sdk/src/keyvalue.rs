//! Keys and values that outlive instances and versions, for plugins whose manifests say `keyvalue = true` under `[capabilities]`
//! and whose operators grant it: the host refuses any other that calls what is here.
//!
//! A bucket is there once it is named, and for all plugins of a tenant. What is written is written at once, not when the
//! call returns: a call that traps later does not undo it. A version on trial, and one that saves its state, can read but
//! not write. Such a plugin's calls run on guest threads, since each operation may wait for a server.
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
//! # assert_eq!(visits().unwrap(), 1);
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

/// Keys and values under one name.
#[derive(Debug)]
pub struct Bucket(backend::Bucket);

/// Some keys of a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPage {
    /// The keys, in no order.
    pub keys: Vec<String>,
    /// Where to go on, if there is more.
    pub cursor: Option<String>,
}

/// Why something is not kept, or not told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyValueError {
    /// No bucket can have the name.
    NoSuchStore,
    /// The bucket is not this plugin's.
    AccessDenied,
    /// A bound, such as the quota of the tenant, or the server that keeps the values is away.
    Other(String),
}

/// The bucket of this name: 1 to 99 ASCII letters, digits, `.`, `_` and `-`.
///
/// # Errors
/// [`KeyValueError::NoSuchStore`] for any other name.
pub fn open(name: &str) -> Result<Bucket, KeyValueError> {
    backend::open(name).map(Bucket)
}

impl Bucket {
    /// The value of a key, if it has one.
    ///
    /// # Errors
    /// When the key is too long or there is no answer.
    pub fn get(&self, key: &str) -> Result<Option<Vec<u8>>, KeyValueError> {
        self.0.get(key)
    }

    /// Gives a key a value, whatever it had before.
    ///
    /// # Errors
    /// When it is over a bound or there is no answer.
    pub fn set(&self, key: &str, value: impl AsRef<[u8]>) -> Result<(), KeyValueError> {
        self.0.set(key, value.as_ref())
    }

    /// Takes a key away, if it is there.
    ///
    /// # Errors
    /// As [`Bucket::get`].
    pub fn delete(&self, key: &str) -> Result<(), KeyValueError> {
        self.0.delete(key)
    }

    /// Whether a key has a value.
    ///
    /// # Errors
    /// As [`Bucket::get`].
    pub fn exists(&self, key: &str) -> Result<bool, KeyValueError> {
        self.0.exists(key)
    }

    /// Some of the keys, from the beginning or from where an earlier answer says.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn list_keys(&self, cursor: Option<&str>) -> Result<KeyPage, KeyValueError> {
        self.0.list_keys(cursor)
    }

    /// Adds to a number, in one go whoever else does, and tells what it has become. It is kept in decimal digits; a key
    /// without a value is 0.
    ///
    /// # Errors
    /// As [`Bucket::set`], and when the value is no number.
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
