//! What a workshop tells.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use crate::packaging::BuildError;

/// What a workshop tells, in words for a terminal. A plugin is called as the configuration calls it.
#[derive(Debug)]
pub enum BuildEvent<'a> {
    /// A build begins.
    Started {
        /// Of which plugin.
        plugin: &'a str,
    },
    /// A build has made a component.
    Built {
        /// Of which plugin.
        plugin: &'a str,
        /// How long it took.
        elapsed: Duration,
        /// Whether it differs from the one before.
        has_changed: bool,
    },
    /// A build has failed; cargo has said why.
    Failed {
        /// Of which plugin.
        plugin: &'a str,
        /// Why.
        error: &'a BuildError,
    },
    /// The configuration has changed, which is read at start only.
    ConfigChanged {
        /// Its file.
        file: &'a Path,
    },
}

impl fmt::Display for BuildEvent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started { plugin } => write!(f, "building {plugin}"),
            Self::Built { plugin, elapsed: took, has_changed: is_new } => {
                write!(f, "built {plugin} in {:.1} s", took.as_secs_f64())?;
                if *is_new { Ok(()) } else { f.write_str("; nothing is different") }
            }
            Self::Failed { plugin, error } => write!(f, "{plugin} is not built: {error}"),
            Self::ConfigChanged { file } => {
                write!(f, "{} has changed: a restart takes it up", file.display())
            }
        }
    }
}
