//! Files that only the host's own user can change.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

use rustix::process::geteuid;
use thiserror::Error;

/// Write permission of the group and of others; that of an access list shows as the group's.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// Why a file or folder is not trusted.
#[derive(Debug, Error)]
pub enum OwnershipError {
    /// Someone else made it.
    #[error("belongs to the user {owner}, and this host runs as the user {own}")]
    WrongOwner {
        /// Whose it is.
        owner: u32,
        /// Whose it would have to be.
        own: u32,
    },
    /// Someone else can change it.
    #[error("may be written by its group or by others; `chmod go-w` takes that from them")]
    WritableByOthers,
}

/// Refuses what someone else made or can change.
///
/// # Errors
/// Who that is.
pub fn check_ownership(metadata: &Metadata) -> Result<(), OwnershipError> {
    let (owner, own) = (metadata.uid(), geteuid().as_raw());
    if owner != own {
        return Err(OwnershipError::WrongOwner { owner, own });
    }
    if metadata.mode() & WRITABLE_BY_OTHERS != 0 {
        return Err(OwnershipError::WritableByOthers);
    }
    Ok(())
}
