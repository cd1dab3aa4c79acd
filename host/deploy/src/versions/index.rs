//! What became of each version of a plugin: the content of the file beside their bytes.

use serde::{Deserialize, Serialize};

use super::record::{Record, State};
use narrowboat_runtime::Hash;

/// Refused versions that are remembered; of the others the configuration says how many.
const REFUSED: usize = 20;

/// What the file says.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Index {
    /// What the component's file held when it was last looked at.
    pub(super) file: Option<Hash>,
    /// The oldest first.
    pub(super) versions: Vec<Record>,
}

impl Index {
    pub(super) fn find(&self, state: State) -> Option<Record> {
        self.versions.iter().find(|record| record.state == state).cloned()
    }

    pub(super) fn find_version(&self, version: Hash) -> Option<&Record> {
        self.versions.iter().find(|record| record.version == version)
    }

    pub(super) fn state(&self, version: Hash) -> Option<State> {
        self.find_version(version).map(|record| record.state)
    }

    /// What a file says. Of records that do not say whether their version has served, only those that serve or served last
    /// tell that it has.
    pub(super) fn read(bytes: &[u8]) -> serde_json::Result<Self> {
        let mut index: Self = serde_json::from_slice(bytes)?;
        for record in &mut index.versions {
            record.served |= matches!(record.state, State::Live | State::Previous);
        }
        Ok(index)
    }

    /// Adds a record as the newest, in the place of an older one of the same version. What was approved, or has served,
    /// stays so.
    pub(super) fn put(&mut self, mut record: Record) {
        if let Some(older) = self.find_version(record.version) {
            record.approved_by.clone_from(&older.approved_by);
            record.served = older.served;
            if record.asks_more.is_empty() {
                record.asks_more.clone_from(&older.asks_more);
            }
        }
        self.versions.retain(|other| other.version != record.version);
        self.versions.push(record);
    }

    pub(super) fn mark(&mut self, version: Hash, state: State, reason: Option<String>) {
        for record in self.versions.iter_mut().filter(|record| record.version == version) {
            record.state = state;
            record.served |= state == State::Live;
            record.reason.clone_from(&reason);
        }
    }

    fn move_all(&mut self, from: State, to: State) {
        self.versions
            .iter_mut()
            .filter(|record| record.state == from)
            .for_each(|record| record.state = to);
    }

    /// Forgets the oldest beyond the bounds; never the live one, nor the one before.
    pub(super) fn forget_old(&mut self, keep: usize) {
        let in_use = |state| matches!(state, State::Live | State::Previous);
        let (mut kept, mut refused) = (0, 0);
        self.versions.reverse();
        self.versions.retain(|record| {
            if in_use(record.state) {
                return true;
            }
            let (count, most) = match record.state.has_bytes() {
                true => (&mut kept, keep.saturating_sub(2)),
                false => (&mut refused, REFUSED),
            };
            *count += 1;
            *count <= most
        });
        self.versions.reverse();
    }

    /// Makes a version the live one. Versions that wait for an approval were compared with another live version, and are
    /// superseded.
    pub(super) fn publish(&mut self, version: Hash) {
        if self.state(version) == Some(State::Live) {
            return;
        }
        self.move_all(State::Previous, State::Kept);
        self.move_all(State::Live, State::Previous);
        self.move_all(State::Pending, State::Superseded);
        self.mark(version, State::Live, None);
    }

    /// The bytes of the versions that are kept.
    pub(super) fn with_bytes(&self) -> impl Iterator<Item = Hash> {
        let with_bytes = self.versions.iter().filter(|record| record.state.has_bytes());
        with_bytes.map(|record| record.version)
    }
}
