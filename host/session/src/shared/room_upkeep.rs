//! The upkeep of a room by the task of its instance: saving its state, putting it to sleep, and ending it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::instance_task::SharedInstanceTask;
use super::room_duty::room_settings;
use crate::owner_command::{Direction, MigrateCommand, MigrateResult};
use crate::rooms::{
    EndRoom, OpenRoom, RoomDuty, RoomEnd, RoomRecord, RoomStore, RoomStoreError, SavedRoomState,
};
use crate::skipped_disconnects::log_skipped_disconnects;
use narrowboat_core::fault::{Fault, GuestFault, HostFault};
use narrowboat_core::host_close::HostClose;
use narrowboat_core::manifest::{RoomSave, RoomSettings};
use narrowboat_runtime::{
    GuestSnapshot, Instance, InstanceMark, MigrationStats, RoomSaveReason, RoomState, RoomVisitor,
    Sha256Digest, Version,
};

/// The result of an attempt to save a room.
#[derive(Debug, PartialEq, Eq)]
enum RoomSaveOutcome {
    /// The store has the state.
    Saved,
    /// The store has the state before the last events.
    Changed,
    /// The guest is busy.
    Busy,
    /// The state could not be saved. The log says why.
    Failed,
    /// The instance is gone.
    Ended,
}

impl SharedInstanceTask {
    /// Whether the effects of each call wait until the state of the room is saved.
    pub(super) fn holds_effects(&self) -> bool {
        if self.room.is_none() {
            return false;
        }
        let save = |version: &Version| version.rooms().map(|rooms| rooms.save);
        let save = match &self.instance {
            Some(instance) => save(instance.version()),
            None => save(&self.plugin().live_version()),
        };
        save == Some(RoomSave::Event)
    }

    /// Saves the state of the room before the effects of a call take place. If that fails, the instance and its
    /// connections end, and the effects must not take place. Returns false then.
    pub(super) async fn save_before_effects(&mut self) -> bool {
        let Some(settings) = room_settings(&self.registry) else { return true };
        let made = self.make_record(RoomSaveReason::Checkpoint, &settings).await;
        let outcome = match made {
            Ok((record, mark)) => {
                let written = self.write_record(record.as_ref()).await;
                self.finish_save(written, record, mark)
            }
            Err(outcome) => outcome,
        };
        let is_saved = outcome == RoomSaveOutcome::Saved;
        if !is_saved {
            self.drop_instance(&HostFault::RoomUnsaved);
        }
        is_saved
    }

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
                room.own(&self.registry.room_owners, &self.registry.plugin).await;
                let deleted = RoomStore::new(&self.registry.plugin).delete(&room.name).await;
                if deleted.is_ok() {
                    self.drop_instance(&HostFault::RoomReset);
                }
                deleted
            }
        };
        // The operator may have left.
        let _ = reply.send(result);
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

    /// Does what the room needs now. Returns whether it sleeps from now on, or its instance is gone, so that the task has
    /// to end.
    pub(super) async fn keep_room(&mut self) -> bool {
        let is_empty = self.room.as_ref().is_some_and(|room| room.presence.is_empty());
        if is_empty && self.registry.rooms.is_closing() {
            // The live version gets the state when the room wakes.
            self.postponed_move = None;
        }
        if self.postponed_move.is_some() {
            return false;
        }
        let Some(settings) = room_settings(&self.registry) else { return false };
        let is_closing = self.registry.rooms.is_closing();
        if self.is_unvisited() {
            return self.leave_table();
        }
        let memory = self.instance.as_ref().map_or(0, |instance| instance.memory_bytes());
        let Some(room) = &mut self.room else { return false };
        room.presence.memory_bytes.store(memory, Ordering::Relaxed);
        room.set_times(&settings, is_closing);
        match room.duty() {
            RoomDuty::None => false,
            RoomDuty::Save => {
                self.save_room(RoomSaveReason::Checkpoint, &settings).await
                    == RoomSaveOutcome::Ended
            }
            RoomDuty::Sleep => self.put_room_to_sleep(&settings).await,
        }
    }

    /// Whether the room has no state yet, no visitor, and has rejected all who came.
    fn is_unvisited(&self) -> bool {
        let Some(room) = &self.room else { return false };
        let has_consumer =
            self.instance.as_ref().is_none_or(|instance| instance.has_had_consumer());
        !has_consumer && !room.has_record() && room.presence.is_empty()
    }

    async fn put_room_to_sleep(&mut self, settings: &RoomSettings) -> bool {
        let (move_wait, is_closing) = (self.plugin().move_wait, self.registry.rooms.is_closing());
        let has_waited = |room: &OpenRoom| is_closing || room.is_sleep_forced(move_wait);
        let is_forced = self.room.as_deref().is_some_and(has_waited);
        let reason = if is_forced { RoomSaveReason::ForcedSleep } else { RoomSaveReason::Sleep };
        match self.save_room(reason, settings).await {
            RoomSaveOutcome::Ended => true,
            RoomSaveOutcome::Changed => false,
            RoomSaveOutcome::Failed => self.end_if_given_up(),
            RoomSaveOutcome::Busy => {
                self.room.iter_mut().for_each(|room| room.ask_again());
                false
            }
            RoomSaveOutcome::Saved => self.leave_table(),
        }
    }

    /// Ends an empty room whose state could not be saved for a long time. Returns whether it did.
    fn end_if_given_up(&mut self) -> bool {
        let has_given_up = self.room.as_ref().is_some_and(|room| room.has_given_up());
        if !has_given_up || !self.leave_table() {
            return false;
        }
        let (plugin, room) = (&*self.plugin().label, self.room.as_ref());
        let room = room.map(|room| room.name.as_str());
        tracing::error!(plugin, room, "a room ends without its state, which could not be saved");
        self.drop_instance(&HostFault::RoomUnsaved);
        true
    }

    /// Takes the room out of the table of those that are awake. Returns false if it has a visitor again.
    fn leave_table(&mut self) -> bool {
        let Some(room) = &mut self.room else { return true };
        let sleeps = self.registry.rooms.remove_if_empty(&room.name, &room.presence);
        if sleeps {
            let (plugin, room) = (&*self.registry.plugin.label, room.name.as_str());
            tracing::debug!(plugin, room, "a room sleeps");
        } else {
            room.stay_awake();
        }
        sleeps
    }

    /// Saves the state of the room, if there were events since the last time. The instance is parked while the store
    /// writes, so that the room goes on, unless the effects of its calls wait for that.
    async fn save_room(
        &mut self,
        reason: RoomSaveReason,
        settings: &RoomSettings,
    ) -> RoomSaveOutcome {
        let (record, mark) = match self.make_record(reason, settings).await {
            Ok(unsaved) => unsaved,
            Err(outcome) => return outcome,
        };
        let is_parked = !self.holds_effects();
        if is_parked {
            self.slot.park(self.instance.take());
        }
        let written = self.write_record(record.as_ref()).await;
        if is_parked && !self.reclaim_instance().await {
            return RoomSaveOutcome::Ended;
        }
        let outcome = self.finish_save(written, record, mark);
        // Events may have come meanwhile.
        let has_changed = outcome == RoomSaveOutcome::Saved && self.room_mark() != Some(mark);
        if has_changed { RoomSaveOutcome::Changed } else { outcome }
    }

    /// Asks the guest for the state of the room, and makes the next record of it; none if the plugin has no state.
    ///
    /// # Errors
    /// The outcome, if there is nothing to write.
    async fn make_record(
        &mut self,
        reason: RoomSaveReason,
        settings: &RoomSettings,
    ) -> Result<(Option<RoomRecord>, InstanceMark), RoomSaveOutcome> {
        self.room.iter_mut().for_each(|room| room.set_next_save(settings));
        let instance = self.instance.as_ref().ok_or(RoomSaveOutcome::Saved)?;
        let (mark, version) = (instance.mark(), instance.version().digest());
        let is_rejecting = !instance.has_had_consumer();
        let room = self.room.as_mut().ok_or(RoomSaveOutcome::Ended)?;
        if room.is_saved(mark) || is_rejecting && !room.has_record() {
            return Err(RoomSaveOutcome::Saved);
        }
        let saved = self.with_instance(move |instance| instance.save_room(reason)).await;
        match saved.ok_or(RoomSaveOutcome::Ended)? {
            Ok(RoomState::None) => Ok((self.next_record(None, Vec::new(), version), mark)),
            Ok(RoomState::Saved(saved, visitors)) => {
                Ok((self.next_record(Some(saved), visitors, version), mark))
            }
            Ok(RoomState::Busy) => Err(RoomSaveOutcome::Busy),
            Err(fault) => Err(self.handle_failed_save(&fault)),
        }
    }

    /// Records the result of a write.
    fn finish_save(
        &mut self,
        written: Result<(), RoomStoreError>,
        record: Option<RoomRecord>,
        mark: InstanceMark,
    ) -> RoomSaveOutcome {
        if let Err(error) = written {
            self.log_failed_save(&error.to_string());
            return RoomSaveOutcome::Failed;
        }
        let plugin = Arc::clone(&self.plugin().label);
        let Some(room) = &mut self.room else { return RoomSaveOutcome::Ended };
        let room_name = room.name.as_str();
        tracing::debug!(plugin = &*plugin, room = room_name, "a room is saved");
        room.set_saved(record, mark);
        self.registry.rooms.counters.record_save();
        RoomSaveOutcome::Saved
    }

    fn room_mark(&self) -> Option<InstanceMark> {
        self.instance.as_ref().map(|instance| instance.mark())
    }

    /// Whether the version of the instance may still be rolled back, or is not the live one.
    fn may_roll_back(&self, version: Sha256Digest) -> bool {
        self.registration.keeps_snapshots() || self.plugin().live_version().digest() != version
    }

    /// The record with a state that the instance saved; none for a room that has never had a state.
    fn next_record(
        &self,
        saved: Option<GuestSnapshot>,
        visitors: Vec<RoomVisitor>,
        version: Sha256Digest,
    ) -> Option<RoomRecord> {
        let may_roll_back = self.may_roll_back(version);
        let left = self.registration.left_state();
        let left = left.map(|(version, schema, state)| SavedRoomState {
            version,
            schema,
            state: Some(state),
        });
        let ran_before = self.plugin().versions_before(version);
        let room = self.room.as_ref()?;
        if saved.is_none() && left.is_none() && !room.has_record() {
            return None;
        }
        Some(room.next_record(saved, visitors, version, &ran_before, left, may_roll_back))
    }

    /// Writes a record, unless the store has it.
    async fn write_record(&self, record: Option<&RoomRecord>) -> Result<(), RoomStoreError> {
        let Some(room) = &self.room else { return Ok(()) };
        let store = RoomStore::new(self.plugin());
        match record {
            Some(record) if room.has_saved(record) => Ok(()),
            Some(record) => store.save(&room.name, record).await,
            None => Ok(()),
        }
    }

    /// After the guest has failed to save the state: ends the room if the instance died of that. Otherwise the room stays
    /// awake and is asked again later.
    fn handle_failed_save(&mut self, fault: &GuestFault) -> RoomSaveOutcome {
        self.log_failed_save(&fault.to_string());
        if self.instance.as_ref().is_some_and(|instance| instance.is_dead()) {
            self.drop_instance(&HostFault::RoomUnsaved);
        }
        if self.instance.is_none() { RoomSaveOutcome::Ended } else { RoomSaveOutcome::Failed }
    }

    /// Logs that the state could not be saved, and tries again later.
    fn log_failed_save(&mut self, error: &str) {
        let plugin = Arc::clone(&self.plugin().label);
        let Some(room) = &mut self.room else { return };
        let room_name = room.name.as_str();
        tracing::warn!(plugin = &*plugin, room = room_name, error, "cannot save a room");
        room.retry_later();
        self.registry.rooms.counters.record_failed_save();
    }
}
