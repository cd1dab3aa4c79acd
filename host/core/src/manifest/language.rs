//! The languages that source plugins are written in.

use std::fmt;

use serde::Deserialize;

/// The language of a source plugin, by the runtime that compiles and runs its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// Python.
    Python,
    /// JavaScript or TypeScript.
    JavaScript,
}

impl Language {
    /// All languages.
    pub const ALL: [Self; 2] = [Self::Python, Self::JavaScript];

    /// The value of the key `runtime`.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Python => "python",
            Self::JavaScript => "javascript",
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key())
    }
}
