//! The start of the task that owns a shared instance.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::instance_task::SharedInstanceTask;
use super::job::Job;
use super::shared_instance::SharedInstance;
use crate::charged_flush::flush_charged;
use crate::dedicated::DeferredTurns;
use crate::instance_owner::InstanceOwner;
use crate::instance_registry::InstanceRegistry;
use crate::rooms::OpenRoom;
use narrowboat_core::flush_after_poll::FlushAfterPoll;
use narrowboat_core::room_name::RoomName;

/// Returns the shared instance for a new connection, and starts its task if none runs.
pub(crate) fn acquire_shared_instance(registry: &Arc<InstanceRegistry>) -> SharedInstance {
    registry.shared.acquire(|queue, instance| start_task(registry, queue, instance, None))
}

/// Returns the instance of a room for a new visitor, and starts its task if the room sleeps.
pub(crate) fn visit_room(registry: &Arc<InstanceRegistry>, name: &RoomName) -> SharedInstance {
    registry.rooms.visit(name, |queue, instance, presence| {
        let room = Box::new(OpenRoom::new(name.clone(), presence));
        start_task(registry, queue, instance, Some(room));
    })
}

/// Starts the task of a room that sleeps, without a visitor. Returns `None` if the room is awake.
pub(crate) fn wake_room(
    registry: &Arc<InstanceRegistry>,
    name: &RoomName,
) -> Option<SharedInstance> {
    registry.rooms.wake(name, |queue, instance, presence| {
        let room = Box::new(OpenRoom::new(name.clone(), presence));
        start_task(registry, queue, instance, Some(room));
    })
}

fn start_task(
    registry: &Arc<InstanceRegistry>,
    queue: mpsc::Receiver<Job>,
    instance: &SharedInstance,
    room: Option<Box<OpenRoom>>,
) {
    let owner = InstanceOwner::Shared(instance.jobs.downgrade());
    let task = SharedInstanceTask::new(registry, owner, Arc::clone(&instance.slot), room);
    let plugin = Arc::clone(&registry.plugin);
    let quota = Arc::clone(&plugin.quota);
    let running = DeferredTurns::new(plugin, task.run(queue));
    tokio::spawn(FlushAfterPoll::new(running, move |list| flush_charged(&quota, list)));
}
