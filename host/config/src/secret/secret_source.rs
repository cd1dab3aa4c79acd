//! Where a secret comes from.

use std::fmt;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

/// Where a secret comes from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum SecretSource {
    /// It stands in the configuration file.
    Inline,
    /// An environment variable of the host: `{ env = "NAME" }`.
    Env(String),
    /// A file: `{ file = "PATH" }`.
    File(PathBuf),
}

impl SecretSource {
    /// Parses `{ env = "NAME" }` or `{ file = "PATH" }`; `None` if the table is not a reference. Paths are relative to
    /// `folder`.
    pub(crate) fn parse(table: &Table, folder: &Path) -> Option<Self> {
        let mut entries = table.iter();
        match (entries.next()?, entries.next()) {
            ((key, Value::String(name)), None) if key == "env" => Some(Self::Env(name.clone())),
            ((key, Value::String(path)), None) if key == "file" => {
                Some(Self::File(folder.join(path)))
            }
            _ => None,
        }
    }

    /// The key of a table that looks like a reference and is none: `file` or `env` in any case, with a value that is no
    /// text or beside other keys. `None` for a reference, and for any other table.
    pub(crate) fn misspelt_key(table: &Table) -> Option<&str> {
        if Self::parse(table, Path::new("")).is_some() {
            return None;
        }
        let is_key =
            |key: &&String| ["env", "file"].iter().any(|name| key.eq_ignore_ascii_case(name));
        table.keys().find(is_key).map(String::as_str)
    }
}

impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inline => f.write_str("the configuration"),
            Self::Env(name) => write!(f, "the environment variable {name}"),
            Self::File(path) => write!(f, "the file {}", path.display()),
        }
    }
}
