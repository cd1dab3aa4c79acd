//! The runtimes that kept versions of source plugins have run on.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};

use super::private_folder;
use super::store_error::StoreError;
use super::version_index::VersionIndex;
use narrowboat_core::manifest::Language;
use narrowboat_runtime::{RuntimeImage, Sha256Digest};

/// The folder below that of the versions. The names of plugins and tenants do not contain `.`.
const FOLDER: &str = ".runtimes";

/// The end of a file's name.
const SUFFIX: &str = ".wasm.gz";

/// The runtimes that kept versions of source plugins have run on. A host with a newer runtime can serve such a version on
/// its own runtime again.
#[derive(Debug)]
pub(super) struct RuntimeFolder(PathBuf);

impl RuntimeFolder {
    /// Opens the folder of a host, and removes the runtimes that no kept version needs.
    pub(super) fn open(versions: &Path) -> Result<Self, StoreError> {
        let folder = Self(versions.join(FOLDER));
        private_folder::create(&folder.0)?;
        let needed = needed_runtimes(versions);
        for image in folder.images().into_iter().filter(|image| !needed.contains(&image.digest)) {
            // The next start tries again.
            let _ = std::fs::remove_file(folder.path(image.language, image.digest));
        }
        Ok(folder)
    }

    /// The runtimes in the folder.
    pub(super) fn images(&self) -> Vec<RuntimeImage> {
        let Ok(entries) = std::fs::read_dir(&self.0) else { return Vec::new() };
        entries.flatten().filter_map(|entry| image_of(&entry.path())).collect()
    }

    /// Keeps a runtime, unless the folder has it.
    ///
    /// # Errors
    /// When the image cannot be read or written.
    pub(super) fn keep(&self, image: &RuntimeImage) -> io::Result<()> {
        let path = self.path(image.language, image.digest);
        if path.exists() {
            return Ok(());
        }
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        private_folder::write_file(&self.0, name, &image.gzip()?)
    }

    fn path(&self, language: Language, digest: Sha256Digest) -> PathBuf {
        self.0.join(format!("{language}-{digest}{SUFFIX}"))
    }
}

fn image_of(path: &Path) -> Option<RuntimeImage> {
    let name = path.file_name()?.to_str()?;
    let (language, digest) = name.strip_suffix(SUFFIX)?.split_once('-')?;
    let language = Language::ALL.into_iter().find(|known| known.key() == language)?;
    Some(RuntimeImage::in_file(language, digest.parse().ok()?, path.to_owned()))
}

/// The runtimes of all versions whose bytes are stored, of all tenants.
fn needed_runtimes(versions: &Path) -> HashSet<Sha256Digest> {
    let folders = |path: &Path| {
        let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect::<Vec<_>>()
    };
    let plugins = folders(versions).into_iter().flat_map(|folder| {
        let is_tenant = folder.file_name().is_some_and(|name| name.as_encoded_bytes()[0] == b'@');
        if is_tenant { folders(&folder) } else { vec![folder] }
    });
    let indexes = plugins.filter_map(|plugin| VersionIndex::read(&plugin).ok());
    indexes.flat_map(|index| index.versions).filter_map(|record| record.runtime).collect()
}
