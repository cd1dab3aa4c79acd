//! The builds that were read for the tenants of one configuration.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::SystemTime;

use super::component_source::read_build;
use crate::host_error::HostError;
use narrowboat_core::units::ByteSize;
use narrowboat_deploy::packaging::BuildSource;
use narrowboat_runtime::{Build, Sha256Digest};

/// The builds that were read for the tenants of one configuration. Plugins with the same file read it once, and plugins
/// with the same bytes hold them once, as long as the record of a version needs them.
pub(super) struct BuildCache {
    /// Whether components have to be signed. The error of a missing signature names its file.
    requires_signatures: bool,
    builds: RefCell<KnownBuilds>,
}

#[derive(Default)]
struct KnownBuilds {
    by_file: HashMap<FileState, Weak<Build>>,
    by_digest: HashMap<Sha256Digest, Weak<Build>>,
    /// The build that was read last, since nothing else may hold it.
    last: Option<Arc<Build>>,
}

/// A file with its modification time and length, and the most bytes that may be read of it.
#[derive(Debug, PartialEq, Eq, Hash)]
struct FileState {
    path: PathBuf,
    modified: SystemTime,
    length: u64,
    limit: usize,
}

impl BuildCache {
    /// An empty cache.
    pub(super) fn new(requires_signatures: bool) -> Self {
        Self { requires_signatures, builds: RefCell::default() }
    }

    /// Reads a file or packs a folder. Does not read a file again that was read for another plugin and has not changed
    /// since. `label` is the plugin's, for errors. Blocks on the disk.
    ///
    /// # Errors
    /// If the file cannot be read or the folder cannot be packed.
    pub(super) fn read(
        &self,
        label: &str,
        source: &BuildSource,
        limit: ByteSize,
    ) -> Result<Arc<Build>, HostError> {
        let mut builds = self.builds.borrow_mut();
        let file = FileState::capture(source, limit);
        let known = file.as_ref().and_then(|file| builds.by_file.get(file)?.upgrade());
        if let Some(known) = known {
            return Ok(known);
        }
        let build = self.share(&builds, read_build(label, source, limit)?);
        builds.by_file.extend(file.map(|file| (file, Arc::downgrade(&build))));
        builds.by_digest.insert(build.digest(), Arc::downgrade(&build));
        builds.last = Some(Arc::clone(&build));
        Ok(build)
    }

    /// Returns the known build with the same bytes and signature, or the one that was read.
    fn share(&self, builds: &KnownBuilds, build: Build) -> Arc<Build> {
        let known = builds.by_digest.get(&build.digest()).and_then(Weak::upgrade);
        let is_same = |known: &Arc<Build>| {
            known.signature() == build.signature()
                && (known.signature().is_some() || !self.requires_signatures)
        };
        known.filter(is_same).unwrap_or_else(|| Arc::new(build))
    }
}

impl FileState {
    /// The state of a file now; `None` for a folder, and for a file without a state.
    fn capture(source: &BuildSource, limit: ByteSize) -> Option<Self> {
        let BuildSource::File(path) = source else { return None };
        let metadata = std::fs::metadata(path).ok()?;
        Some(Self {
            path: path.clone(),
            modified: metadata.modified().ok()?,
            length: metadata.len(),
            limit: limit.bytes(),
        })
    }
}
