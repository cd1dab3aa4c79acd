//! Where a certificate or a key comes from.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::{Spanned, Value};

use super::error::{ConfigError, Locator};
use super::secret::{Secret, SecretSource};

/// Where a certificate or a key comes from, as PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PemSource {
    /// A file, which the host reads again when it changes.
    File(PathBuf),
    /// A variable of the environment.
    Env(Secret),
}

impl PemSource {
    /// The file, if it is one.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::File(file) => Some(file),
            Self::Env(_) => None,
        }
    }

    /// Checks a path, `{ file = "PATH" }` or `{ env = "NAME" }`, which is the value of `key`.
    pub(super) fn check(
        value: &Spanned<Value>,
        key: &str,
        folder: &Path,
        location: &Locator<'_>,
    ) -> Result<Self, ConfigError> {
        let fail = |span: Range<usize>, problem: &str| Err(location.invalid(span, key, problem));
        if let Value::String(path) = value.get_ref() {
            return Ok(Self::File(folder.join(path)));
        }
        match value.get_ref().as_table().and_then(|table| SecretSource::parse(table, folder)) {
            Some(SecretSource::File(file)) => Ok(Self::File(file)),
            Some(SecretSource::Env(_)) => {
                location.parse_secret(value.get_ref(), value.span(), key).map(Self::Env)
            }
            _ => fail(
                value.span(),
                "must be a path in quotes, { file = \"PATH\" } or { env = \"NAME\" }",
            ),
        }
    }
}

impl fmt::Display for PemSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file) => write!(f, "{}", file.display()),
            Self::Env(secret) => write!(f, "{}", secret.source()),
        }
    }
}
