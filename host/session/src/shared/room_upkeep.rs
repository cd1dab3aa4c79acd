//! The upkeep of a room by the task of its instance: saving its state, putting it to sleep, and ending it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::instance_task::SharedInstanceTask;
use super::room_duty::room_settings;
use crate::rooms::{OpenRoom, RoomDuty, RoomRecord, RoomStore, RoomStoreError, SavedRoomState};
use narrowboat_core::fault::{GuestFault, HostFault};
use narrowboat_core::manifest::{RoomSave, RoomSettings};
use narrowboat_keyvalue::AlarmChange;
use narrowboat_runtime::{
    Effect, GuestSnapshot, InstanceMark, RoomSaveReason, RoomState, RoomVisitor, Sha256Digest,
    Version,
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
    /// The guest has died of the attempt. Another instance goes on with an earlier state.
    Restarted,
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
    pub(super) async fn save_before_effects(&mut self, effects: &[Effect]) -> bool {
        let Some(settings) = room_settings(&self.registry) else { return true };
        let made = self.make_record(RoomSaveReason::Checkpoint, &settings).await;
        let outcome = match made {
            Ok((record, mark)) => {
                let alarm = self.alarm_change_by(effects);
                let written = self.write_record(record.as_ref(), alarm).await;
                self.finish_save(written, record, mark)
            }
            Err(outcome) => outcome,
        };
        // The lease may have ended while the store wrote.
        let is_owned = self.room.as_ref().is_none_or(|room| room.link().is_owned());
        let is_saved = outcome == RoomSaveOutcome::Saved && is_owned;
        if !is_saved && outcome != RoomSaveOutcome::Restarted {
            self.drop_instance(&HostFault::RoomUnsaved);
        }
        is_saved
    }

    /// The change of the alarm that the effects of a call make, and that the store has to have before they take place.
    fn alarm_change_by(&self, effects: &[Effect]) -> Option<AlarmChange> {
        let room = self.room.as_ref()?;
        let set = effects.iter().rev().find_map(|effect| match effect {
            Effect::SetAlarm(_, time) => Some(*time),
            _ => None,
        });
        room.alarm.change_to(set.unwrap_or_else(|| room.link().alarm()))
    }

    /// Does what the room needs now. Returns whether it sleeps from now on, or its instance is gone, so that the task has
    /// to end.
    pub(super) async fn keep_room(&mut self) -> bool {
        let is_empty = self.room.as_ref().is_some_and(|room| room.presence.is_empty());
        if self.room.as_ref().is_some_and(|room| !room.link().is_owned()) {
            self.leave_room();
            return true;
        }
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
        match room.duty(self.registry.plugin.live_version().clock()) {
            RoomDuty::None => false,
            RoomDuty::Leave => {
                self.leave_room();
                true
            }
            RoomDuty::StoreAlarm => {
                self.store_alarm().await;
                false
            }
            RoomDuty::CallAlarm => self.call_alarm().await,
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
        let has_consumer = self.instance.as_ref().is_none_or(|instance| instance.may_have_state());
        !has_consumer && !room.has_record() && !room.has_alarm() && room.presence.is_empty()
    }

    async fn put_room_to_sleep(&mut self, settings: &RoomSettings) -> bool {
        let (move_wait, is_closing) = (self.plugin().move_wait, self.registry.rooms.is_closing());
        let has_waited = |room: &OpenRoom| is_closing || room.is_sleep_forced(move_wait);
        let is_forced = self.room.as_deref().is_some_and(has_waited);
        let reason = if is_forced { RoomSaveReason::ForcedSleep } else { RoomSaveReason::Sleep };
        let outcome = match self.has_stored_alarm().await {
            true => self.save_room(reason, settings).await,
            false => RoomSaveOutcome::Failed,
        };
        match outcome {
            RoomSaveOutcome::Ended => true,
            RoomSaveOutcome::Changed | RoomSaveOutcome::Restarted => false,
            RoomSaveOutcome::Failed => self.end_if_given_up(),
            RoomSaveOutcome::Busy => {
                self.room.iter_mut().for_each(|room| room.ask_again());
                false
            }
            RoomSaveOutcome::Saved => self.leave_table(),
        }
    }

    /// Stores the alarm if that has not been done. Returns whether the store has it.
    async fn has_stored_alarm(&mut self) -> bool {
        let is_stored =
            |task: &Self| task.room.as_ref().is_none_or(|room| room.alarm.is_stored(room.link()));
        if !is_stored(self) {
            self.store_alarm().await;
        }
        if !is_stored(self) {
            self.room.iter_mut().for_each(|room| room.retry_later());
        }
        is_stored(self)
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
        let written = self.write_record(record.as_ref(), None).await;
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
        let is_rejecting = !instance.may_have_state();
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
            Err(fault) => Err(self.handle_failed_save(&fault).await),
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

    /// Writes a record, unless the store has it, and a change of the alarm.
    async fn write_record(
        &mut self,
        record: Option<&RoomRecord>,
        alarm: Option<AlarmChange>,
    ) -> Result<(), RoomStoreError> {
        let store = RoomStore::new(self.plugin());
        let Some(room) = &mut self.room else { return Ok(()) };
        let Some(lease) = room.lease().cloned() else { return Ok(()) };
        let record = record.filter(|record| !room.has_saved(record));
        store.change(&room.name, &lease, record, alarm).await?;
        alarm.into_iter().for_each(|change| room.alarm.set_stored(change));
        Ok(())
    }

    /// After the guest has failed to save the state: restarts or ends the room if the instance died of that. Otherwise the room
    /// stays awake and is asked again later.
    async fn handle_failed_save(&mut self, fault: &GuestFault) -> RoomSaveOutcome {
        self.log_failed_save(&fault.to_string());
        if self.instance.as_ref().is_some_and(|instance| instance.is_dead()) {
            if Box::pin(self.restart_after(fault)).await {
                return RoomSaveOutcome::Restarted;
            }
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
