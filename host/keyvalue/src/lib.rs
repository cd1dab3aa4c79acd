//! The key-value store of plugins: buckets of keys and values, which belong to a tenant. They are in the memory of this
//! process, or in a Redis that several hosts share.

mod batch;
mod bucket;
mod entry_size;
mod error;
mod expiry_change;
mod integer;
mod key_ttl;
mod keyvalue_store;
mod memory_store;
mod page;
mod redis;

pub use batch::{MAX_BATCH_BYTES, MAX_BATCH_KEYS};
pub use bucket::Bucket;
pub use error::KeyvalueError;
pub use key_ttl::KeyTtl;
pub use keyvalue_store::KeyvalueStore;
pub use page::Page;
