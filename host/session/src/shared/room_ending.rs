//! The end of a room on this host: by an operator, a rollback, a lost lease, or a failure.

use std::sync::Arc;

use super::instance_task::SharedInstanceTask;
use crate::owner_command::{Direction, MigrateCommand, MigrateResult};
use crate::rooms::{EndRoom, RoomEnd, RoomStore, RoomStoreError};
use crate::skipped_disconnects::log_skipped_disconnects;
use narrowboat_core::fault::{Fault, HostFault};
use narrowboat_core::host_close::HostClose;
use narrowboat_runtime::{Instance, MigrationStats};

impl SharedInstanceTask {
    /// Closes the connections of the room for an operator, and lets it sleep or deletes its state.
    pub(super) async fn end_room(&mut self, EndRoom { end, reply }: EndRoom) {
        let Some(room) = &mut self.room else { return };
        let result = match end {
            RoomEnd::Close => {
                room.sleep_soon();
                let connections = self.instance.iter().flat_map(|instance| instance.connections());
                connections.for_each(|connection| {
                    connection.outbound.close(HostClose::RoomClosed.frame());
                });
                Ok(())
            }
            RoomEnd::Reset => {
                let deleted = self.delete_room().await;
                if deleted.is_ok() {
                    self.drop_instance(&HostFault::RoomReset);
                }
                deleted
            }
        };
        // The operator may have left.
        let _ = reply.send(result);
    }

    /// Deletes what the store has of the room.
    async fn delete_room(&mut self) -> Result<(), RoomStoreError> {
        let store = RoomStore::new(self.plugin());
        self.own_room().await;
        let Some(room) = &mut self.room else { return Ok(()) };
        let lease = match room.lease() {
            Some(lease) => Arc::clone(lease),
            None => {
                room.open(store.open(&room.name).await?);
                let Some(lease) = room.lease() else { return Ok(()) };
                Arc::clone(lease)
            }
        };
        store.delete(&room.name, &lease, room.alarm.stored()).await
    }

    /// Counts the events of an instance that ends, whose state was not saved.
    pub(super) fn count_lost_events(&self, instance: &Instance) {
        if let Some(room) = &self.room {
            let lost = room.unsaved_events(instance.mark());
            self.registry.rooms.counters.record_lost_events(lost);
        }
    }

    /// Whether a rollback finds no state that the room left the version before with, because the room woke on the version
    /// that is rolled back.
    pub(super) fn lacks_rollback_state(&self, command: &MigrateCommand) -> bool {
        let to = command.to.digest();
        let before = self.plugin().versions_before(to);
        let runs_newer = |instance: &Instance| {
            let version = instance.version().digest();
            version != to && !before.contains(&version)
        };
        self.room.is_some()
            && command.direction == Direction::Rollback
            && self.instance.as_deref().is_some_and(runs_newer)
            && !self.registration.has_snapshot()
    }

    /// Ends the room, since no older version may have its state. Its next visitor wakes it with the state that the store
    /// has for the version that is live again.
    pub(super) fn restart_for_rollback(&mut self, command: MigrateCommand) {
        let consumers = self.instance.as_ref().map_or(0, |instance| instance.connections().count());
        let lost_events = self.instance.as_ref().map_or(0, |instance| instance.event_count());
        self.drop_instance(&HostFault::RoomUnsaved);
        let stats = MigrationStats { closed: consumers as u64, lost_events, ..Default::default() };
        // The rollout may have ended.
        let _ = command.reply.send(MigrateResult { stats, ..MigrateResult::default() });
    }

    /// Drops the instance, and ends its connections with a fault.
    pub(super) fn drop_instance(&mut self, fault: &HostFault) {
        let Some(instance) = self.instance.take() else { return };
        if *fault != HostFault::RoomReset {
            self.count_lost_events(&instance);
        }
        let version = instance.version().digest();
        log_skipped_disconnects(&self.plugin().label, Some(version), instance.consumer_ids().len());
        for connection in instance.connections() {
            connection.outbound.fail(Fault::Host(fault.clone()));
        }
    }

    /// Ends the room on this host, which no longer owns it.
    pub(super) fn leave_room(&mut self) {
        let (plugin, room) = (&*self.plugin().label, self.room.as_ref());
        let room = room.map(|room| room.name.as_str());
        tracing::warn!(
            plugin,
            room,
            "a room closes: its lease has ended or belongs to another host"
        );
        self.drop_instance(&HostFault::RoomUnsaved);
    }

    /// Gives up the lease of the room, so that another host can wake it at once.
    pub(super) async fn release_room(&self) {
        let Some(room) = &self.room else { return };
        let lease = room.lease().filter(|lease| lease.can_end() && lease.is_valid());
        let Some(lease) = lease else { return };
        if let Err(error) = RoomStore::new(self.plugin()).close(&room.name, lease).await {
            let (plugin, room) = (&*self.plugin().label, room.name.as_str());
            tracing::debug!(plugin, room, %error, "the lease of a room ends by itself");
        }
    }
}
