//! The removal of expired entries that no write has asked for.

use redb::StorageError;

use super::expiry_index::after_owner;
use super::group_commit::GroupCommit;

/// The most expired entries that one transaction sweeps.
const MAX_SWEPT: usize = 256;

/// The most owners that one transaction looks at.
const MAX_OWNERS: usize = 16;

/// Whether a sweep has found expired entries that it has not removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SweepProgress {
    /// There may be more to remove.
    Partial,
    /// The sweep has gone round all owners, and has left nothing.
    Complete,
}

/// A sweep that goes round the owners, a part in each transaction.
#[derive(Debug, Default)]
pub(super) struct ExpirySweep {
    /// The key of the index at which the next part begins.
    next: Vec<u8>,
    /// Whether an owner of this round has expired entries left.
    has_left: bool,
}

impl ExpirySweep {
    /// Removes some expired entries.
    pub(super) fn advance(
        &mut self,
        transaction: &mut GroupCommit<'_>,
    ) -> Result<SweepProgress, StorageError> {
        let mut room = MAX_SWEPT;
        for _ in 0..MAX_OWNERS {
            let Some(owner) = transaction.expiring_owner(&self.next)? else {
                let progress = match self.has_left {
                    true => SweepProgress::Partial,
                    false => SweepProgress::Complete,
                };
                *self = Self::default();
                return Ok(progress);
            };
            room -= transaction.remove_expired(&owner, room)?;
            self.next = after_owner(&owner);
            if room == 0 {
                self.has_left = true;
                break;
            }
        }
        Ok(SweepProgress::Partial)
    }
}
