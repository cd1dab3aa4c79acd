//! Running instances of a version: of consumers, and of workers.

mod checkpoint;
mod checkpoint_schedule;
mod consumer_instance;
mod event_batch;
mod event_counts;
mod guest_store;
mod hibernation;
mod instance_mark;
mod instance_snapshot;
mod lost_visitor;
mod room_alarm;
mod room_state;
mod save_restore;
mod snapshot;
mod wit_conversions;
mod worker_instance;

pub use consumer_instance::Instance;
pub use event_batch::BatchEnd;
pub(crate) use guest_store::GuestStore;
pub use hibernation::HibernatedConsumer;
pub use instance_mark::InstanceMark;
pub(crate) use instance_snapshot::ConsumerSnapshots;
pub use instance_snapshot::InstanceSnapshot;
pub use lost_visitor::LostVisitor;
pub use room_state::{RoomSaveReason, RoomStartError, RoomState, RoomVisitor};
pub use snapshot::GuestSnapshot;
pub(crate) use snapshot::{ConsumerState, MigratingConsumer, ModuleState};
pub use worker_instance::WorkerInstance;
