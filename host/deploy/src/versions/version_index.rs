//! The index of a plugin's versions: the content of `versions.json`.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::version_record::{VersionRecord, VersionState};
use narrowboat_runtime::Sha256Digest;

/// The file with the index.
pub(super) const FILE: &str = "versions.json";

/// The number of refused versions that are remembered. The configuration limits the other versions.
const MAX_REFUSED: usize = 20;

/// The records of a plugin's versions.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct VersionIndex {
    /// The hash of the bytes that the plugin's component file held when the host last read it.
    pub(super) file: Option<Sha256Digest>,
    /// The versions, the oldest first.
    pub(super) versions: Vec<VersionRecord>,
}

impl VersionIndex {
    pub(super) fn find_by_state(&self, state: VersionState) -> Option<VersionRecord> {
        self.versions.iter().find(|record| record.state == state).cloned()
    }

    pub(super) fn find_version(&self, version: Sha256Digest) -> Option<&VersionRecord> {
        self.versions.iter().find(|record| record.version == version)
    }

    pub(super) fn state(&self, version: Sha256Digest) -> Option<VersionState> {
        self.find_version(version).map(|record| record.state)
    }

    /// Reads the index in the folder of a plugin, which is empty if there is none.
    pub(super) fn read(folder: &Path) -> io::Result<Self> {
        match std::fs::read(folder.join(FILE)) {
            Ok(bytes) => Ok(Self::parse(&bytes)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error),
        }
    }

    /// Parses the content of the file. Records of older hosts lack `served`: the live and the previous version count as
    /// served.
    pub(super) fn parse(bytes: &[u8]) -> serde_json::Result<Self> {
        let mut index: Self = serde_json::from_slice(bytes)?;
        for record in &mut index.versions {
            record.served |= matches!(record.state, VersionState::Live | VersionState::Previous);
        }
        Ok(index)
    }

    /// Adds a record as the newest, and removes an older record of the same version. The approval and `served` of the older
    /// record are kept.
    pub(super) fn insert(&mut self, mut record: VersionRecord) {
        if let Some(older) = self.find_version(record.version) {
            record.approved_by.clone_from(&older.approved_by);
            record.served = older.served;
            if record.extra_capabilities.is_empty() {
                record.extra_capabilities.clone_from(&older.extra_capabilities);
            }
        }
        self.versions.retain(|other| other.version != record.version);
        self.versions.push(record);
    }

    pub(super) fn set_state(
        &mut self,
        version: Sha256Digest,
        state: VersionState,
        reason: Option<String>,
    ) {
        for record in self.versions.iter_mut().filter(|record| record.version == version) {
            record.state = state;
            record.served |= state == VersionState::Live;
            record.reason.clone_from(&reason);
        }
    }

    fn replace_state(&mut self, from: VersionState, to: VersionState) {
        self.versions
            .iter_mut()
            .filter(|record| record.state == from)
            .for_each(|record| record.state = to);
    }

    /// Removes the oldest records beyond `keep_count` and [`MAX_REFUSED`], but never the live and the previous version.
    pub(super) fn prune(&mut self, keep_count: usize) {
        let in_use = |state| matches!(state, VersionState::Live | VersionState::Previous);
        let (mut kept, mut refused) = (0, 0);
        self.versions.reverse();
        self.versions.retain(|record| {
            if in_use(record.state) {
                return true;
            }
            let (count, limit) = match record.state.has_bytes() {
                true => (&mut kept, keep_count.saturating_sub(2)),
                false => (&mut refused, MAX_REFUSED),
            };
            *count += 1;
            *count <= limit
        });
        self.versions.reverse();
    }

    /// Makes a version the live one. Pending versions become superseded: they were compared with another live version.
    pub(super) fn publish(&mut self, version: Sha256Digest) {
        if self.state(version) == Some(VersionState::Live) {
            return;
        }
        self.replace_state(VersionState::Previous, VersionState::Kept);
        self.replace_state(VersionState::Live, VersionState::Previous);
        self.replace_state(VersionState::Pending, VersionState::Superseded);
        self.set_state(version, VersionState::Live, None);
    }

    /// The versions whose bytes are stored.
    pub(super) fn stored_versions(&self) -> impl Iterator<Item = Sha256Digest> {
        let with_bytes = self.versions.iter().filter(|record| record.state.has_bytes());
        with_bytes.map(|record| record.version)
    }
}
