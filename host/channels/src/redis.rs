//! The layer over Redis's sorted sets, for many processes. It is compatible with `RedisChannelLayer` of channels_redis,
//! byte for byte.
//!
//! Operations go through one queue in order, and one [task](pipeline) sends them in batches. For each key with messages
//! for this process, one [task](key_reader) reads it and puts the messages into the mailboxes.

mod channel_closer;
mod channel_opener;
mod check_schedule;
mod eviction_counter;
mod flush_tenant;
mod health_check;
mod host_connections;
mod key_popper;
mod key_reader;
mod members_by_key;
mod membership_writer;
mod named_channel_reader;
mod named_reader_task;
mod pipeline;
mod pipeline_backlog;
mod put_results;
mod redis_layer;
mod redis_layer_core;
mod redis_op;
mod redis_tenant;
mod requeue;
mod round_trip;
mod score_clock;
mod scripts;
mod shard_pipeline;

pub use redis_layer::RedisLayer;
