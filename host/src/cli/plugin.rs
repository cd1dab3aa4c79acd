//! `narrowboat plugin …`

use std::path::Path;

use anyhow::Context;

use super::Failure;
use crate::packaging;
use crate::plugin::Hash;

/// Builds a guest crate and prints where its component is.
pub(super) fn build(folder: &Path, out: Option<&Path>) -> Result<(), Failure> {
    let built = packaging::build(folder, out).map_err(|error| {
        if error.is_about_the_manifest() {
            Failure::usage(error)
        } else {
            Failure::at_run_time(error)
        }
    })?;
    let hash = Hash::of(&built.bytes);
    println!("{}", built.file.display());
    println!("  {}  {} bytes  sha256 {hash}", built.manifest.name, built.bytes.len());
    Ok(())
}

/// Prints what a component says of itself.
pub(super) fn inspect(file: &Path) -> Result<(), Failure> {
    let bytes = std::fs::read(file)
        .with_context(|| file.display().to_string())
        .map_err(Failure::at_run_time)?;
    let inspection = packaging::inspect(&bytes)
        .map_err(|error| Failure::at_run_time(anyhow::anyhow!("{} {error}", file.display())))?;
    print!("{inspection}");
    Ok(())
}
