//! The layer over Redis's publish/subscribe, for many processes. It is compatible with `RedisPubSubChannelLayer` of
//! channels_redis.
//!
//! Redis keeps nothing: a published message reaches the processes that are subscribed, and a channel that is not open
//! drops it. Operations go through one queue, in order, to one [task](pubsub_task). Received messages go into the
//! mailboxes of the channel or of the group's members.

mod pubsub_op;
mod pubsub_task;
mod pubsub_tenant;
mod redis_pubsub_core;
mod redis_pubsub_layer;
mod server_connections;
mod topic_names;

pub use redis_pubsub_layer::RedisPubSubLayer;
