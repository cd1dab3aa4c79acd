//! Events of builds.

use std::fmt;
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
    /// The component has got another manifest, without a build.
    Packed {
        /// The plugin's name.
        plugin: &'a str,
        /// Whether the component differs from the one before.
        has_changed: bool,
    },
    /// A build has failed. If cargo failed, it has printed the reason.
    Failed {
        /// The plugin's name.
        plugin: &'a str,
        /// The error.
        error: &'a BuildError,
        /// Whether an earlier build has succeeded.
        has_component: bool,
    },
}

impl fmt::Display for BuildEvent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started { plugin } => write!(f, "building {plugin}"),
            Self::Built { plugin, elapsed, has_changed } => {
                write!(f, "built {plugin} in {:.1} s", elapsed.as_secs_f64())?;
                write_unless_changed(f, *has_changed)
            }
            Self::Packed { plugin, has_changed } => {
                write!(f, "packed {plugin} with its changed plugin.toml")?;
                write_unless_changed(f, *has_changed)
            }
            Self::Failed { plugin, error, has_component } => {
                let consequence = match has_component {
                    true => "the old version goes on serving",
                    false => "waiting for its sources to change",
                };
                write!(f, "{plugin} is not built: {error}; {consequence}")
            }
        }
    }
}

fn write_unless_changed(f: &mut fmt::Formatter<'_>, has_changed: bool) -> fmt::Result {
    if has_changed { Ok(()) } else { f.write_str("; the component is unchanged") }
}
