//! The key-value store in a file of this machine: a B-tree of redb, one thread that writes, and readers that share a
//! snapshot of the last commit.

mod copy;
mod disk_file;
mod entry_key;
mod entry_value;
mod expiry_index;
mod expiry_sweep;
mod file_store;
mod format_upgrade;
mod group_commit;
mod guarded_file;
mod open_database;
mod restore;
mod shared_state;
mod snapshot;
mod storage_failure;
mod store_folder;
mod tables;
mod write_request;
mod writer;

pub use file_store::FileStore;
pub use restore::restore_backup;
