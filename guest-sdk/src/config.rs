//! The configuration of this plugin: the keys and values that the operator has written below `[plugins.NAME.config]`. It
//! needs no capability.
//!
//! A key of a nested table has the names with a full stop between them: `[plugins.chat.config.smtp]` with `host = "…"` is
//! the key `smtp.host`. All values are texts; `limit = 20` is `"20"`, and `debug = true` is `"true"`.
//!
//! The operator may change the configuration while the plugin runs, for example when an API key is rotated. Each call
//! returns the value of that moment, so read a value where you use it, and keep none in a consumer. With
//! `config_changed = true` in its manifest, the consumers of a plugin get a message of the type `config.changed` after a
//! change.
//!
//! ```
//! use narrowboat_guest::config::{self, ConfigError};
//!
//! fn greeting() -> Result<String, ConfigError> {
//!     let limit: usize = config::parse("limit")?.unwrap_or(20);
//!     let greeting = config::get("greeting").unwrap_or_else(|| "hello".to_owned());
//!     Ok(greeting.chars().take(limit).collect())
//! }
//! # assert_eq!(greeting().unwrap(), "hello");
//! ```

use std::any::type_name;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

#[cfg(not(target_family = "wasm"))]
use crate::testing::native::imports::config as imports;

/// Why the configuration has no value that the plugin can use. Values may be secrets, so no error contains one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigError {
    /// The configuration does not have the key.
    Missing {
        /// The key.
        key: String,
    },
    /// The text cannot be parsed.
    Invalid {
        /// The key.
        key: String,
        /// The type that it is parsed as.
        expected: &'static str,
    },
}

/// Returns the value of a key as it is now, or `None` if the configuration does not have the key.
#[must_use]
pub fn get(key: &str) -> Option<String> {
    imports::get(key)
}

/// Returns all keys with their values, as they are now.
#[must_use]
pub fn all() -> BTreeMap<String, String> {
    imports::all()
}

/// Returns the value of a key as it is now.
///
/// # Errors
/// [`ConfigError::Missing`] if the configuration does not have the key.
pub fn require(key: &str) -> Result<String, ConfigError> {
    get(key).ok_or_else(|| ConfigError::Missing { key: key.to_owned() })
}

/// Parses the value of a key, or returns `None` if the configuration does not have the key.
///
/// # Errors
/// [`ConfigError::Invalid`] if the text is not a value of the type `T`.
pub fn parse<T: FromStr>(key: &str) -> Result<Option<T>, ConfigError> {
    let parsed = get(key).map(|value| value.parse());
    parsed
        .transpose()
        .map_err(|_| ConfigError::Invalid { key: key.to_owned(), expected: type_name::<T>() })
}

/// The most bytes of a key that an error shows.
const MAX_SHOWN_BYTES: usize = 64;

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { key } => write!(
                f,
                "the configuration of the plugin has no value for {0:?}: set it in narrowboat.toml below \
                 [plugins.NAME.config], as {0:?} = \"…\", or for a secret as {0:?} = {{ env = \"VARIABLE\" }} or \
                 {{ file = \"PATH\" }}; in a test call host.set_config({0:?}, \"…\")",
                &key[..key.floor_char_boundary(MAX_SHOWN_BYTES)]
            ),
            Self::Invalid { key, expected } => write!(
                f,
                "the value of {key:?} in the configuration of the plugin is not a valid {expected}"
            ),
        }
    }
}

impl std::error::Error for ConfigError {}

/// The configuration through `wasi:config`. The host has it in memory, so that reading never fails.
#[cfg(target_family = "wasm")]
mod imports {
    use std::collections::BTreeMap;

    use crate::bindings::grantable_world::wasi::config::store;

    pub(super) fn get(key: &str) -> Option<String> {
        store::get(key).ok().flatten()
    }

    pub(super) fn all() -> BTreeMap<String, String> {
        store::get_all().unwrap_or_default().into_iter().collect()
    }
}
