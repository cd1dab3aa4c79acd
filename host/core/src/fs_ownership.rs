//! The check that only the user of the host can change a file.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

use rustix::process::geteuid;
use thiserror::Error;

/// The write permissions of the group and of others. An access list shows in the permissions of the group.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// The reason why a file or folder is not trusted.
#[derive(Debug, Error)]
pub enum OwnershipError {
    /// Another user owns it.
    #[error("belongs to the user {owner}, but this host runs as the user {own}")]
    WrongOwner {
        /// The user ID of the owner.
        owner: u32,
        /// The user ID of the host.
        own: u32,
    },
    /// Other users can write to it.
    #[error("is writable by its group or by others; run `chmod go-w` on it")]
    WritableByOthers,
}

/// Checks that the user of the host owns a file and that no other user can write to it.
///
/// # Errors
/// The reason why the file is not trusted.
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
