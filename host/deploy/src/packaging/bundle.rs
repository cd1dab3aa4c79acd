//! Writes a source plugin as a source bundle, for `narrowboat plugin build`.

use std::path::Path;

use super::build_error::BuildError;
use super::built_plugin::{BuiltPlugin, write_if_changed};
use super::source::PackedSource;
use narrowboat_core::manifest::{self, Manifest};
use narrowboat_core::plugin_file::PluginFileKind;

/// Whether a folder has a source plugin and not a guest crate: its manifest has a runtime.
pub fn is_source_plugin(folder: &Path) -> bool {
    let text = std::fs::read(folder.join(manifest::FILE_NAME));
    let manifest = text.ok().and_then(|text| Manifest::parse(&text).ok());
    manifest.is_some_and(|manifest| manifest.source.is_some())
}

/// Writes a packed source plugin. Without `out` the bundle is written to `narrowboat/NAME.narrowboat` in the current
/// folder.
///
/// # Errors
/// If the bundle cannot be written.
pub fn write_bundle(source: PackedSource, out: Option<&Path>) -> Result<BuiltPlugin, BuildError> {
    let PackedSource { manifest, bytes } = source;
    let extension = PluginFileKind::Bundle.extension();
    let file = out.map_or_else(
        || Path::new("narrowboat").join(format!("{}.{extension}", manifest.name)),
        Path::to_owned,
    );
    let has_changed = write_if_changed(&file, &bytes)
        .map_err(|source| BuildError::Write { file: file.clone(), source })?;
    Ok(BuiltPlugin { file, manifest, bytes, has_changed })
}
