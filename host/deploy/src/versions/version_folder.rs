//! The files of one plugin's versions.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};

use super::plugin_version_store_error::PluginVersionStoreError;
use super::private_folder;
use super::version_index::{self, VersionIndex};
use narrowboat_config::signature::{self, MissingSignature, Signature};
use narrowboat_core::atomic_file;
use narrowboat_core::plugin_file::PluginFileKind;
use narrowboat_runtime::{Build, Sha256Digest};

/// Reads and writes the index, the components and source bundles, and their signatures in a folder. It does no locking.
#[derive(Debug)]
pub(super) struct VersionFolder(PathBuf);

impl VersionFolder {
    pub(super) fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// Reads the index, which is empty if the file does not exist.
    pub(super) fn read_index(&self) -> io::Result<VersionIndex> {
        VersionIndex::read(&self.0)
    }

    /// Writes the index atomically.
    pub(super) fn write_index(&self, index: &VersionIndex) -> Result<(), PluginVersionStoreError> {
        let bytes = serde_json::to_vec_pretty(index)
            .map_err(|error| PluginVersionStoreError::Write(error.into()))?;
        self.write_file(version_index::FILE, &bytes)
    }

    /// Reads the bytes of a version and their signature.
    ///
    /// # Errors
    /// When the bytes are missing or have changed.
    pub(super) fn read_build(
        &self,
        version: Sha256Digest,
    ) -> Result<Build, PluginVersionStoreError> {
        let builds = PluginFileKind::ALL.into_iter().filter_map(|kind| {
            let bytes = std::fs::read(self.0.join(file_name(version, kind))).ok()?;
            Some(Build::new(bytes, self.read_signature(version, kind)))
        });
        let mut intact = builds.filter(|build| build.digest() == version);
        intact.next().ok_or(PluginVersionStoreError::Damaged(version))
    }

    /// Writes the bytes of a version and their signature, unless the folder has them.
    pub(super) fn write_build(&self, build: &Build) -> Result<(), PluginVersionStoreError> {
        let version = build.digest();
        if self.read_build(version).is_err() {
            let name = file_name(version, PluginFileKind::of(build.bytes()));
            self.write_file(&name, build.bytes())?;
        }
        self.write_signature(build)
    }

    /// Writes the signature of a version beside its bytes, if it came with one. If the configuration requires
    /// signatures, the version cannot be loaded again without it.
    pub(super) fn write_signature(&self, build: &Build) -> Result<(), PluginVersionStoreError> {
        let (version, kind) = (build.digest(), PluginFileKind::of(build.bytes()));
        match build.signature() {
            Some(signature) if self.read_signature(version, kind).as_ref() != Ok(signature) => {
                self.write_file(&signature_name(version, kind), signature.bytes())
            }
            _ => Ok(()),
        }
    }

    /// Removes bytes and signatures of versions that are not `stored`. With `unfinished`, also removes files that a crash
    /// left unfinished, which requires that no other thread writes to the folder.
    pub(super) fn remove_orphans(&self, stored: &[Sha256Digest], unfinished: bool) {
        let names = |version, kind| [file_name(version, kind), signature_name(version, kind)];
        let known: HashSet<String> = stored
            .iter()
            .flat_map(|&version| PluginFileKind::ALL.map(|kind| names(version, kind)))
            .flatten()
            .collect();
        let Ok(entries) = std::fs::read_dir(&self.0) else { return };
        for path in entries.flatten().map(|entry| entry.path()) {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let is_leftover = unfinished && atomic_file::is_temp_name(name);
            if is_leftover || (is_version_file(&path) && !known.contains(name)) {
                // The next change tries again.
                let _ = std::fs::remove_file(&path);
            }
        }
    }

    fn read_signature(
        &self,
        version: Sha256Digest,
        kind: PluginFileKind,
    ) -> Result<Signature, MissingSignature> {
        Signature::read_beside(&self.0.join(file_name(version, kind))).map_err(
            |error| match error {
                MissingSignature::FileNotFound(_) => MissingSignature::NotInStore,
                error => error,
            },
        )
    }

    fn write_file(&self, name: &str, bytes: &[u8]) -> Result<(), PluginVersionStoreError> {
        private_folder::write_file(&self.0, name, bytes).map_err(PluginVersionStoreError::Write)
    }
}

fn file_name(version: Sha256Digest, kind: PluginFileKind) -> String {
    format!("{version}.{}", kind.extension())
}

fn signature_name(version: Sha256Digest, kind: PluginFileKind) -> String {
    signature::signature_path(Path::new(&file_name(version, kind))).display().to_string()
}

fn is_version_file(path: &Path) -> bool {
    let is_plugin_file =
        |extension| PluginFileKind::ALL.iter().any(|kind| extension == kind.extension());
    path.extension().is_some_and(|extension| is_plugin_file(extension) || extension == "sig")
}
