//! The parts that both layers over Redis share: the queue of operations, the health of connections, names of keys, and
//! the encoding of messages.

mod attach_guard;
mod connection_announcer;
mod deferred_memberships;
mod flushing_task;
mod layer_health;
mod layer_tenants;
mod lease_request;
mod operation_batch;
mod operation_queue;
mod queue_operation;
mod queue_state;
mod reconnect_delays;
mod redis_keys;
mod redis_layer_base;
mod unanswered_messages;
mod wire;

pub(crate) use attach_guard::AttachGuard;
pub(crate) use connection_announcer::announce_connection_changes;
pub(crate) use flushing_task::flushing_task;
pub(crate) use layer_health::{ConnectionHealth, LayerHealth};
pub(crate) use layer_tenants::LayerTenants;
pub(crate) use lease_request::LeaseRequest;
pub(crate) use operation_batch::{BatchItem, OperationBatch};
pub(crate) use queue_operation::{BarrierSender, OperationKind, QueueOperation};
pub(crate) use reconnect_delays::{jittered_backoff, reconnect_delays};
pub(crate) use redis_keys::RedisKeys;
pub(crate) use redis_layer_base::{RedisLayerBase, no_reply_error};
pub(crate) use unanswered_messages::UnansweredMessages;
pub(crate) use wire::{Codec, MAX_ADDRESS_NAMES, WireAddress, WireError};
