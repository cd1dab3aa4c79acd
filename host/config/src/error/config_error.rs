//! Errors of a configuration: the place, the key, the problem and what to write instead.

use std::fmt;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Why a configuration cannot be used.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{}: {source}; name another with --config FILE", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// The error of the system.
        source: std::io::Error,
    },
    /// A key or a table is invalid.
    #[error("{place}: {key}{problem}\n  {}", place.excerpt)]
    Invalid {
        /// The place of the key or table.
        place: SourceLocation,
        /// The path of the key with a colon; empty if the error is not about a key.
        key: String,
        /// The problem, and what to write instead.
        problem: String,
    },
}

/// A place in a configuration file. All places are equal, so that settings that differ only in their places are equal.
#[derive(Debug, Clone)]
pub struct SourceLocation {
    pub(super) file: Box<Path>,
    /// The line, from 1.
    pub(super) line: usize,
    /// The column in characters, from 1.
    pub(super) column: usize,
    /// The text of the line.
    pub(super) excerpt: Box<str>,
    /// The path of the tenant that the place belongs to, such as `tenants.acme.`; empty for the top of the file.
    pub(super) key_prefix: Box<str>,
}

impl SourceLocation {
    /// Returns an error at this place. `key` is a path within the tenant, such as `plugins.echo.isolation`.
    pub fn invalid(&self, key: &str, problem: impl Into<String>) -> ConfigError {
        let key =
            if key.is_empty() { String::new() } else { format!("{}: ", self.qualified_key(key)) };
        ConfigError::Invalid { place: self.clone(), key, problem: problem.into() }
    }

    /// Returns the path of a key from the top of the file. `key` is a path within the tenant, such as `plugins.echo`.
    pub fn qualified_key(&self, key: &str) -> String {
        format!("{}{key}", self.key_prefix)
    }
}

impl PartialEq for SourceLocation {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl fmt::Display for SourceLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file.display(), self.line, self.column)
    }
}
