//! The key-value store of plugins: buckets of keys and values, which belong to a tenant. They are in the memory of this
//! process, or in a Redis that several hosts share.

mod bucket;
mod entry_size;
mod error;
mod keyvalue_store;
mod memory_store;
mod page;
mod redis;

pub use bucket::Bucket;
pub use error::KeyvalueError;
pub use keyvalue_store::KeyvalueStore;
pub use page::Page;
