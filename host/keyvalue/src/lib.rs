//! The key-value store of plugins: buckets of keys and values, which belong to a tenant. They are in the memory of this
//! process, in a file of this machine, or in a Redis that several hosts share.

mod batch;
mod bucket;
mod entry_size;
mod error;
mod expiry_change;
mod file;
mod integer;
mod key_ttl;
mod keyvalue_store;
mod memory_store;
mod operation_target;
mod page;
mod redis;
mod rooms;
mod store_condition;
mod store_limits;
mod store_open_error;

pub use batch::{MAX_BATCH_BYTES, MAX_BATCH_KEYS};
pub use bucket::Bucket;
pub use error::KeyvalueError;
pub use file::{FileStore, restore_backup};
pub use key_ttl::KeyTtl;
pub use keyvalue_store::KeyvalueStore;
pub use operation_target::{OperationSubject, OperationTarget};
pub use page::Page;
pub use rooms::{
    AlarmChange, AlarmPage, RecordChange, RoomChange, RoomKey, RoomLease, RoomOpening, StoredAlarm,
    StoredRoom,
};
pub use store_condition::StoreCondition;
pub use store_open_error::StoreOpenError;
