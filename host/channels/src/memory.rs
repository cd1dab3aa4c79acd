//! The layer of one process, in its memory.
//!
//! Threads take locks in one order only: a shard of groups, a group, a shard of channels, a channel, a table of
//! deadlines. No thread holds a group's lock together with that of a shard of channels. A thread that goes the other
//! way, from a channel to its groups, releases the channel first. No thread holds a lock while it wakes a task.

mod capped_counter;
mod deadline_queue;
mod lock;
mod memory_channel;
mod memory_group;
mod memory_layer;
mod memory_tenant;
mod pointer_map;
mod sharded_set;
mod tenant_groups;

#[cfg(test)]
mod tests;

pub use memory_layer::MemoryLayer;
