//! The channel layer: messages between consumers in any process, as in Django Channels.
//!
//! A **channel** is a bounded queue with a name and one reader. A **group** is a set of channels. A layer delivers each
//! message at most once, and keeps the order from one sender to one receiver, for messages and frames alike. Every
//! operation belongs to a [`Tenant`](narrowboat_core::name::Tenant), and tenants never see each other.

mod capacity_patterns;
mod channel_layer;
mod channel_table;
mod decode_error;
mod delivery;
mod delivery_sink;
mod layer_error;
mod layer_events;
mod layer_limits;
mod layer_queue;
mod layer_status;
mod mailbox;
mod mailbox_deputy;
mod mailbox_queue;
mod mailbox_source;
mod maybe_ready;
mod memory;
mod process_channel;
mod process_channels;
mod queue_load;
mod recipient;
mod redis;
mod redis_common;
mod redis_pubsub;

pub use capacity_patterns::CapacityPatterns;
pub use channel_layer::ChannelLayer;
pub use decode_error::{DecodeErrorCause, DecodeErrorCounts};
pub use delivery::Delivery;
pub use delivery_sink::DeliverySink;
pub use layer_error::LayerError;
pub use layer_events::LAYER_EVENTS_GROUP;
pub use layer_limits::{LayerLimits, UNREAD_OVERHEAD_BYTES};
pub use layer_queue::LayerQueue;
pub use layer_status::LayerStatus;
pub use mailbox::Mailbox;
pub use mailbox_deputy::MailboxDeputy;
pub use maybe_ready::MaybeReady;
pub use memory::MemoryLayer;
pub use queue_load::QueueLoad;
pub use recipient::Recipient;
pub use redis::RedisLayer;
pub use redis_pubsub::RedisPubSubLayer;
