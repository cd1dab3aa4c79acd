//! Sessions and workers: what calls the guest.
//!
//! A session joins a connection, a consumer and a mailbox. It brings one event at a time into the guest, and applies
//! the guest's effects after each call. A worker has a mailbox and no connection.
//!
//! The modules build on each other in this order:
//!
//! 1. `call_outcome`, `reply_fault`, `pending_call`, `effect_applier`, `owner_command`: a call, its result and its effects.
//! 2. `member_turn`, `shared`, `rooms`: instances that many sessions call, and the tasks that own them; rooms, whose state
//!    outlives their instances.
//! 3. `instance_registry`: the owners of all instances of a plugin. A rollout reaches them through it.
//! 4. `dedicated`, `instance_binding`: the instance that serves one consumer, its own or a shared one.
//! 5. `connect`, `accepted_consumer`, `disconnect`: the first and the last call of a consumer.
//! 6. `session`, `worker`: the loops. `undecided_handshake` runs a session before the 101, and `session_socket` after it.

mod accepted_consumer;
mod call_outcome;
mod charged_flush;
mod connect;
mod connect_instance;
mod dedicated;
mod disconnect;
mod drain_budget;
mod effect_applier;
mod fail_connection;
mod guarded_receiver;
mod hibernation;
mod hibernation_counters;
mod instance_binding;
mod instance_owner;
mod instance_registration;
mod instance_registry;
mod member_turn;
mod migrating_owner;
mod migration_summary;
mod owner_command;
mod pending_call;
mod permits;
mod postponed_move;
mod read_ahead;
mod ready_instance_filler;
mod ready_instances;
mod reply_fault;
mod restart_counters;
mod restart_limiter;
mod room_keeping;
mod room_operations;
mod rooms;
mod self_rollback;
mod session;
mod session_hibernation;
mod session_link;
mod session_migration;
mod session_socket;
mod shared;
mod skipped_disconnects;
mod undecided_handshake;
mod worker;

pub use accepted_consumer::AcceptedConsumer;
pub use connect::{ConnectOutcome, connect_consumer};
pub use instance_registry::InstanceRegistry;
pub use migration_summary::MigrationSummary;
pub use owner_command::Direction;
pub use permits::Permits;
pub use rooms::{
    AwakeRoom, RoomCounters, RoomEnd, RoomOwners, RoomStoreError, SleepingRoom, SleepingRoomPage,
    SleepingRoomState,
};
pub use worker::Worker;
