//! Runs `cargo metadata` on a crate.

use std::path::Path;
use std::process::{Command, Stdio};

use serde::de::DeserializeOwned;

use super::build_error::BuildError;

/// Runs `cargo metadata` on the crate in a folder. `T` is the part of the output that is used. Cargo's messages go to
/// `messages`.
///
/// # Errors
/// When cargo cannot be run, or cannot read the crate's manifest.
pub(super) fn read_cargo_metadata<T: DeserializeOwned>(
    folder: &Path,
    arguments: &[&str],
    messages: Stdio,
) -> Result<T, BuildError> {
    let output = Command::new("cargo")
        .args(["metadata", "--format-version", "1"])
        .args(arguments)
        .arg("--manifest-path")
        .arg(folder.join("Cargo.toml"))
        .stderr(messages)
        .output()
        .map_err(BuildError::Cargo)?;
    serde_json::from_slice(&output.stdout).map_err(|_| BuildError::Failed(folder.to_owned()))
}
