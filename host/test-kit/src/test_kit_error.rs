//! Why the tests of a plugin cannot run.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use narrowboat_config::ConfigError;
use narrowboat_deploy::packaging::BuildError;
use narrowboat_runtime::CollectError;
use narrowboat_server::HostError;

/// Why the tests of a plugin cannot run.
#[derive(Debug, Error)]
pub enum TestKitError {
    /// The folder has no plugin and no configuration.
    #[error(
        "{} has neither a plugin.toml nor a narrowboat.toml; name the folder of a plugin or of a project", .0.display()
    )]
    NoPlugin(PathBuf),
    /// The configuration serves no plugin from a folder.
    #[error("{}: no plugin has a key `source` or `crate`, so there are no tests to run", .0.display())]
    NoFolder(PathBuf),
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The plugin cannot be built or packed.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The host of the tests cannot load the plugin.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The tests cannot be listed.
    #[error("cannot load the tests: {0}")]
    Collect(#[from] CollectError),
    /// Cargo cannot build the tests. Its messages are on standard error.
    #[error("cargo cannot build the tests; its messages are above")]
    CargoTest,
    /// Cargo cannot be run.
    #[error("cannot run cargo, which builds the tests of plugins in Rust: {0}")]
    Cargo(io::Error),
    /// A file or a program of the tests cannot be used.
    #[error("{}: {source}", path.display())]
    Io {
        /// The path.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
}
