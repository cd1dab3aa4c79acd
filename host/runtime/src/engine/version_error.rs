//! Why bytes are not a version of a plugin.

use thiserror::Error;

use crate::compat::Incompatibility;
use crate::compilation::CompileError;
use narrowboat_core::component::Role;

/// Why bytes are not a version of a plugin.
#[derive(Debug, Error)]
pub enum VersionError {
    /// The component was not compiled.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// The component was built for another host.
    #[error(transparent)]
    Incompatible(#[from] Incompatibility),
    /// The component imports something that this host does not offer.
    #[error("imports what this host does not offer: {0:#}")]
    Import(wasmtime::Error),
    /// The exports of the component do not match the world of its role.
    #[error("is not of the world {}: {problem:#}", role.world())]
    World {
        /// The role whose interface the component exports.
        role: Role,
        /// The problem with the exports.
        problem: wasmtime::Error,
    },
}
