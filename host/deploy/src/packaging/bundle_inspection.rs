//! The contents of a source bundle, for `narrowboat plugin inspect`.

use std::fmt;

use super::inspection_list::{write_list, write_manifest};
use narrowboat_core::manifest::Manifest;
use narrowboat_core::source_bundle::SourceBundle;
use narrowboat_runtime::Sha256Digest;

/// The runtime, files and requested capabilities of a source bundle. Its `Display` is a table for people.
#[derive(Debug)]
pub struct BundleInspection {
    runtime: Option<&'static str>,
    /// The entry points of the manifest, one text each.
    entry_points: Vec<String>,
    requested_capabilities: Vec<String>,
    /// The paths and sizes of the files.
    files: Vec<(String, usize)>,
    manifest: String,
    size: usize,
    digest: Sha256Digest,
}

impl BundleInspection {
    /// Inspects a bundle that was parsed from `bytes`.
    pub(super) fn new(bundle: &SourceBundle<'_>, bytes: &[u8]) -> Self {
        let manifest = Manifest::parse(bundle.manifest_text()).ok();
        let source = manifest.as_ref().and_then(|manifest| manifest.source.as_ref());
        let entries = source.map(|it| [("consumer", &it.consumer), ("worker", &it.worker)]);
        let entries = entries.into_iter().flatten();
        Self {
            runtime: source.map(|source| source.runtime.key()),
            entry_points: entries
                .filter_map(|(key, entry)| Some(format!("{key} {}", entry.as_ref()?)))
                .collect(),
            requested_capabilities: manifest
                .as_ref()
                .map_or_else(Vec::new, |manifest| manifest.capabilities.descriptions()),
            files: bundle
                .files()
                .iter()
                .map(|file| (file.path.to_string(), file.content.len()))
                .collect(),
            manifest: String::from_utf8_lossy(bundle.manifest_text()).into_owned(),
            size: bytes.len(),
            digest: Sha256Digest::of(bytes),
        }
    }
}

impl fmt::Display for BundleInspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.files.iter().map(|(path, _)| path.len()).max().unwrap_or_default();
        let files = self.files.iter().map(|(path, size)| format!("{path:<width$}  {size} bytes"));
        writeln!(f, "runtime      {}", self.runtime.unwrap_or("unknown (the manifest is wrong)"))?;
        match self.entry_points.as_slice() {
            [] => writeln!(f, "entry points found by the host in the files")?,
            entry_points => write_list(f, "entry points", entry_points)?,
        }
        write_list(f, "files", &files.collect::<Vec<_>>())?;
        write_list(f, "capabilities", &self.requested_capabilities)?;
        writeln!(f, "size         {} bytes", self.size)?;
        writeln!(f, "sha256       {}", self.digest)?;
        write_manifest(f, &self.manifest)
    }
}
