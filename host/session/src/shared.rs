//! Shared isolation: instances that many sessions call, each owned by a task.
//!
//! `instance_state` says where an instance can be, with a diagram. `instance_slot` adds the lock and the queue around
//! that state. `shared_instance` is a session's handle, and `instance_task` is the owner. `shared_member`
//! brings messages to the consumers of sessions that rest, and `shared_turns` takes the turns. `room_upkeep` and
//! `room_waking` save and restore the state of rooms.

mod instance_restart;
mod instance_slot;
mod instance_state;
mod instance_task;
mod job;
mod queued_call;
mod room_alarm_call;
mod room_duty;
mod room_ending;
mod room_upkeep;
mod room_waking;
mod shared_instance;
mod shared_instances;
mod shared_member;
mod shared_turns;
mod start_task;
mod task_migration;

pub(super) use job::{AlarmJob, JOB_QUEUE_LIMIT, Job};
pub(super) use shared_instance::SharedInstance;
pub(super) use shared_instances::SharedInstances;
pub(super) use shared_member::SharedMember;
pub(super) use shared_turns::SharedTurns;
pub(super) use start_task::{acquire_shared_instance, visit_room, wake_room};
