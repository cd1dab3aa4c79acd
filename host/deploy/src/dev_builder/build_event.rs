//! Events of builds.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use crate::packaging::BuildError;

/// An event of a build. Its `Display` is a line for a terminal; plugins have their names in the configuration.
#[derive(Debug)]
pub enum BuildEvent<'a> {
    /// A build begins.
    Started {
        /// The plugin's name.
        plugin: &'a str,
    },
    /// A build has succeeded.
    Built {
        /// The plugin's name.
        plugin: &'a str,
        /// The duration of the build.
        elapsed: Duration,
        /// Whether the component differs from the one before.
        has_changed: bool,
    },
    /// A build has failed. Cargo has printed the reason.
    Failed {
        /// The plugin's name.
        plugin: &'a str,
        /// The error.
        error: &'a BuildError,
    },
    /// The configuration file has changed. It is only read at start.
    ConfigChanged {
        /// The configuration file.
        file: &'a Path,
    },
}

impl fmt::Display for BuildEvent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started { plugin } => write!(f, "building {plugin}"),
            Self::Built { plugin, elapsed, has_changed } => {
                write!(f, "built {plugin} in {:.1} s", elapsed.as_secs_f64())?;
                if *has_changed { Ok(()) } else { f.write_str("; the component is unchanged") }
            }
            Self::Failed { plugin, error } => write!(f, "{plugin} is not built: {error}"),
            Self::ConfigChanged { file } => {
                write!(f, "{} has changed; restart to apply it", file.display())
            }
        }
    }
}
