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
//! use std::time::Duration;
//!
//! use narrowboat_guest::keyvalue::{self, KeyValueError};
//!
//! fn visits() -> Result<i64, KeyValueError> {
//!     let bucket = keyvalue::open("visits")?;
//!     bucket.set("last", b"me")?;
//!     assert_eq!(bucket.get("last")?.as_deref(), Some(&b"me"[..]));
//!     bucket.set_with_ttl("session:7", "ann", Duration::from_secs(3_600))?;
//!     for key in bucket.keys("session:") {
//!         println!("{}", key?);
//!     }
//!     bucket.increment("count", 1)
//! }
//! # assert!(visits().is_err(), "only a plugin that a host runs has buckets");
//! ```
//!
//! Several instances and hosts write at the same time. A change that depends on the earlier value is safe with
//! [`Bucket::increment`], [`Bucket::update`] and [`Bucket::compare_and_set`], and not with [`Bucket::get`] and
//! [`Bucket::set`].

use std::time::Duration;

mod comparison;
mod keys;
mod keyvalue_error;
#[cfg(not(target_family = "wasm"))]
mod native;
mod time_to_live;
mod update;
#[cfg(target_family = "wasm")]
mod wasi;

pub use keys::Keys;
pub use keyvalue_error::KeyValueError;
#[cfg(not(target_family = "wasm"))]
use native as backend;
pub use time_to_live::TimeToLive;
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
    /// The argument of [`Bucket::list_keys`] or [`Bucket::list`] for the next page; `None` on the last page. A page may
    /// have no keys and a cursor.
    pub cursor: Option<String>,
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

    /// Sets the value of a key and replaces an earlier value. The key has no time to live afterwards.
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

    /// Returns a page of the keys: the first page, or the page at the cursor of an earlier page. [`Bucket::keys`]
    /// returns all of them.
    ///
    /// # Errors
    /// [`KeyValueError::Other`] if the server does not respond.
    pub fn list_keys(&self, cursor: Option<&str>) -> Result<KeyPage, KeyValueError> {
        self.0.list_keys(cursor)
    }

    /// Returns a page of about `limit` of the keys that begin with `prefix`: the first page, or the page at the cursor of
    /// an earlier page with the same prefix. The host returns at most 1,000 keys or so.
    ///
    /// # Errors
    /// As [`Bucket::list_keys`].
    pub fn list(
        &self,
        prefix: &str,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<KeyPage, KeyValueError> {
        self.0.list(prefix, cursor, limit)
    }

    /// Returns the keys that begin with `prefix`, in no particular order. The iterator asks for one page at a time. A key
    /// that is written or deleted meanwhile may or may not be among them.
    ///
    /// ```
    /// # use narrowboat_guest::keyvalue::{Bucket, KeyValueError};
    /// # fn sessions(bucket: &Bucket) -> Result<Vec<String>, KeyValueError> {
    /// bucket.keys("session:").collect()
    /// # }
    /// ```
    pub fn keys<'a>(&'a self, prefix: &'a str) -> Keys<'a> {
        Keys::new(self, prefix)
    }

    /// Adds `delta` to a number atomically and returns the sum. The number is stored in decimal digits. A key that does
    /// not exist counts as 0. A time to live stays.
    ///
    /// # Errors
    /// The errors of [`Bucket::set`], and [`KeyValueError::Other`] if the value or the sum is not a 64-bit integer.
    pub fn increment(&self, key: &str, delta: i64) -> Result<i64, KeyValueError> {
        self.0.increment(key, delta)
    }

    /// Returns the values of several keys in the order of the keys, each `None` if the key does not exist. A batch has at
    /// most 1,000 keys, and its values at most 4 MiB together.
    ///
    /// # Errors
    /// As [`Bucket::get`], and [`KeyValueError::Other`] if the batch is too large.
    pub fn get_many(
        &self,
        keys: &[impl AsRef<str>],
    ) -> Result<Vec<Option<Vec<u8>>>, KeyValueError> {
        self.0.get_many(keys.iter().map(|key| key.as_ref().to_owned()).collect())
    }

    /// Sets the values of several keys: all of them, or none if it fails. The limits are those of [`Bucket::get_many`].
    ///
    /// # Errors
    /// As [`Bucket::set`], and [`KeyValueError::Other`] if the batch is too large.
    pub fn set_many<K: Into<String>, V: Into<Vec<u8>>>(
        &self,
        entries: impl IntoIterator<Item = (K, V)>,
    ) -> Result<(), KeyValueError> {
        let entries = entries.into_iter().map(|(key, value)| (key.into(), value.into()));
        self.0.set_many(entries.collect())
    }

    /// Deletes several keys. The number of keys is limited as in [`Bucket::get_many`].
    ///
    /// # Errors
    /// As [`Bucket::get_many`].
    pub fn delete_many(&self, keys: &[impl AsRef<str>]) -> Result<(), KeyValueError> {
        self.0.delete_many(keys.iter().map(|key| key.as_ref().to_owned()).collect())
    }

    /// Sets the value of a key, and deletes the key after `ttl`, which is 1 ms to 100 years.
    ///
    /// # Errors
    /// As [`Bucket::set`], and [`KeyValueError::Other`] if `ttl` is out of range.
    pub fn set_with_ttl(
        &self,
        key: &str,
        value: impl AsRef<[u8]>,
        ttl: Duration,
    ) -> Result<(), KeyValueError> {
        self.0.set_with_ttl(key, value.as_ref(), milliseconds_of(ttl))
    }

    /// Changes the time to live of a key; `None` removes it. Returns whether the key exists.
    ///
    /// # Errors
    /// As [`Bucket::set_with_ttl`].
    pub fn set_ttl(&self, key: &str, ttl: Option<Duration>) -> Result<bool, KeyValueError> {
        self.0.set_ttl(key, ttl.map(milliseconds_of))
    }

    /// Returns the time that a key has left.
    ///
    /// # Errors
    /// As [`Bucket::get`].
    pub fn ttl(&self, key: &str) -> Result<TimeToLive, KeyValueError> {
        self.0.ttl(key)
    }
}

/// Rounds up, so that a time below a millisecond is not 0.
fn milliseconds_of(ttl: Duration) -> u64 {
    u64::try_from(ttl.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}
