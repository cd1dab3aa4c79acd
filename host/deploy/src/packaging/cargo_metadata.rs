//! What `cargo metadata` says of a crate.

use std::path::Path;
use std::process::{Command, Stdio};

use serde::de::DeserializeOwned;

use super::build::BuildError;

/// Asks cargo about the crate in a folder; `T` is the part of the answer that is read. Cargo's own
/// messages go to `words`.
///
/// # Errors
/// When cargo cannot be run, or cannot read the crate's manifest.
pub(super) fn read_cargo_metadata<T: DeserializeOwned>(
    folder: &Path,
    arguments: &[&str],
    words: Stdio,
) -> Result<T, BuildError> {
    let output = Command::new("cargo")
        .args(["metadata", "--format-version", "1"])
        .args(arguments)
        .arg("--manifest-path")
        .arg(folder.join("Cargo.toml"))
        .stderr(words)
        .output()
        .map_err(BuildError::Cargo)?;
    serde_json::from_slice(&output.stdout).map_err(|_| BuildError::Failed(folder.to_owned()))
}
