//! The plugins that could not be loaded.

use std::path::Path;
use std::time::SystemTime;

use narrowboat_core::sha256_digest::Sha256Digest;
use narrowboat_core::units::ByteSize;
use narrowboat_deploy::packaging::{BuildSource, MissingPackages};

/// The file or folder of a plugin that could not be loaded, as it was before the attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FailedLoad {
    pub(crate) source: BuildSource,
    /// The largest bundle of a folder.
    limit: ByteSize,
    stamp: SourceStamp,
}

/// Differs after a file or a folder has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
enum SourceStamp {
    /// The modification time and length of a file; `None` if it did not exist.
    File(Option<(SystemTime, u64)>),
    /// The digest of a folder's bundle, or the reason why it cannot be packed.
    Folder(Result<Sha256Digest, String>),
}

impl FailedLoad {
    /// Captures the state of a file or a folder, whose bundle may have `limit` bytes. Blocks on the disk.
    pub(super) fn capture(source: BuildSource, limit: ByteSize) -> Self {
        let stamp = match &source {
            BuildSource::File(file) => SourceStamp::File(stat_file(file)),
            BuildSource::Folder { path, .. } => SourceStamp::Folder(digest_folder(path, limit)),
        };
        Self { source, limit, stamp }
    }

    /// Whether the file or folder has changed since it was captured. Blocks on the disk.
    pub(crate) fn has_changed(&self) -> bool {
        Self::capture(self.source.clone(), self.limit) != *self
    }
}

/// Packs a folder, without installing packages, and returns the digest of the bundle.
fn digest_folder(path: &Path, limit: ByteSize) -> Result<Sha256Digest, String> {
    let missing_packages = MissingPackages::Refuse;
    let folder = BuildSource::Folder { path: path.to_owned(), missing_packages };
    folder.read(limit).map(|build| build.digest()).map_err(|error| error.to_string())
}

fn stat_file(file: &Path) -> Option<(SystemTime, u64)> {
    let metadata = std::fs::metadata(file).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}
