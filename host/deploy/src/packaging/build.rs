//! Builds a guest crate into a component that holds its manifest, for `narrowboat plugin build`.

use std::path::Path;

use super::build_error::BuildError;
use super::built_plugin::BuiltPlugin;
use super::compiled_crate::CompiledCrate;

/// Builds the guest crate in a folder. Cargo's messages go to standard error. Without `out` the component is written to
/// `narrowboat/NAME.wasm` in cargo's target folder.
///
/// # Errors
/// When the crate, its manifest or the toolchain is missing or wrong. The error says how to correct it.
pub fn build(folder: &Path, out: Option<&Path>) -> Result<BuiltPlugin, BuildError> {
    CompiledCrate::compile(folder, None)?.pack(out)
}
