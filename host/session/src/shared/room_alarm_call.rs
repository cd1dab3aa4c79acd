//! The alarm of a room: storing it, and calling the guest when it is due.

use std::sync::Arc;
use std::time::Duration;

use super::instance_task::SharedInstanceTask;
use super::job::AlarmJob;
use crate::migrating_owner::MigratingOwner;
use crate::rooms::{RoomStore, RoomStoreError};
use narrowboat_core::fault::{GuestFault, HostFault};
use narrowboat_keyvalue::{AlarmChange, StoredAlarm};
use narrowboat_runtime::{Effect, Instance};

impl SharedInstanceTask {
    /// Wakes the room for an alarm that the store names. The call of the guest is a duty of the room. Removes an alarm that the
    /// room no longer has, which a host left behind that died while it changed the alarm. Returns whether the room is awake.
    pub(super) async fn wake_for_alarm(&mut self, AlarmJob { time, permit }: AlarmJob) -> bool {
        if let Err(fault) = self.open_room().await {
            self.log_failed_wake(&fault);
            return false;
        }
        let Some(room) = &mut self.room else { return false };
        let stored = room.alarm.stored();
        if stored.is_none_or(|stored| stored.time != time) {
            let removed = self.change_alarm(AlarmChange { from: Some(time), to: stored }).await;
            if let Err(error) = removed {
                self.log_failed_alarm(&error.to_string());
            }
            return self.instance.is_some();
        }
        room.waking_permit = Some(permit);
        if self.instance.is_none()
            && let Err(fault) = self.start_instance().await
        {
            self.log_failed_wake(&fault);
            return false;
        }
        true
    }

    /// Stores the alarm that the guest has set, or its end. The instance is parked meanwhile, so that the room goes on, unless
    /// effects wait for its state.
    pub(super) async fn store_alarm(&mut self) {
        let Some(room) = &mut self.room else { return };
        let change = room.alarm.change_to(room.link().alarm());
        let Some(change) = change else { return };
        let is_parked = self.instance.is_some() && !self.holds_effects();
        if is_parked {
            self.slot.park(self.instance.take());
        }
        let changed = self.change_alarm(change).await;
        if is_parked {
            // The caller sees that the instance is gone, if it is.
            let _ = self.reclaim_instance().await;
        }
        if let Err(error) = changed {
            self.log_failed_alarm(&error.to_string());
        }
    }

    /// Stores the alarm once more before the room ends.
    pub(super) async fn store_last_alarm(&mut self) {
        let is_stored = self.room.as_ref().is_none_or(|room| room.alarm.is_stored(room.link()));
        if !is_stored && self.instance.is_none() {
            self.store_alarm().await;
        }
    }

    async fn change_alarm(&mut self, change: AlarmChange) -> Result<(), RoomStoreError> {
        let store = RoomStore::new(self.plugin());
        let Some(room) = &mut self.room else { return Ok(()) };
        let Some(lease) = room.lease().filter(|lease| lease.is_valid()).cloned() else {
            return Ok(());
        };
        let changed = store.change(&room.name, &lease, None, Some(change)).await;
        match &changed {
            Ok(()) => room.alarm.set_stored(change),
            Err(error) => room.alarm.retry_later(error.is_uncertain()),
        }
        changed
    }

    /// Calls the guest, because the alarm of the room is due. An alarm whose call fails stays, and is called again later.
    /// Returns whether the instance is gone, so that the task has to end.
    pub(super) async fn call_alarm(&mut self) -> bool {
        let now = self.now();
        let room = self.room.as_mut();
        let due = room.and_then(|room| room.alarm.begin_call(&Arc::clone(room.link()), now));
        let Some(due) = due else { return false };
        let called = self.with_instance(Instance::call_alarm).await;
        let (result, effects) =
            called.unwrap_or_else(|| (Err(GuestFault::InstanceLost), Vec::new()));
        if let Some(room) = &mut self.room {
            room.alarm.end_call();
        }
        match result {
            Ok(()) => {
                self.registry.rooms.counters.record_alarm();
                self.end_alarm(effects).await;
            }
            Err(fault) => self.handle_failed_alarm(due, &fault, effects).await,
        }
        self.room.iter_mut().for_each(|room| room.waking_permit = None);
        self.instance.is_none()
    }

    /// Applies the effects of a call for an alarm, and stores that the alarm is over, or the new one.
    async fn end_alarm(&mut self, effects: Vec<Effect>) {
        if self.holds_effects() && !self.save_before_effects(&effects).await {
            return;
        }
        self.effect_applier().apply(effects);
        self.store_alarm().await;
    }

    async fn handle_failed_alarm(
        &mut self,
        due: StoredAlarm,
        fault: &GuestFault,
        mut effects: Vec<Effect>,
    ) {
        self.log_failed_alarm(&fault.to_string());
        self.registry.rooms.counters.record_failed_alarm();
        let now = self.now();
        if let Some(room) = &mut self.room {
            // An alarm that the guest has set before it failed takes the place of this one.
            let set = effects.iter().rev().find_map(|effect| match effect {
                Effect::SetAlarm(_, time) => Some(*time),
                _ => None,
            });
            if set.flatten().is_none() {
                effects.retain(|effect| !matches!(effect, Effect::SetAlarm(..)));
                room.alarm.postpone(due, &Arc::clone(room.link()), now);
            }
        }
        let is_dead = self.instance.as_ref().is_none_or(|instance| instance.is_dead());
        if !is_dead {
            return self.end_alarm(effects).await;
        }
        // The room may end.
        if let Some(change) = self.alarm_change()
            && let Err(error) = self.change_alarm(change).await
        {
            self.log_failed_alarm(&error.to_string());
        }
        if !self.roll_back_after(fault).await && !self.restart_after(fault).await {
            self.drop_instance(&HostFault::RoomUnsaved);
        }
    }

    fn alarm_change(&self) -> Option<AlarmChange> {
        let room = self.room.as_ref()?;
        room.alarm.change_to(room.link().alarm())
    }

    /// Logs why a room cannot wake for its alarm. That another host owns the room is no fault.
    fn log_failed_wake(&self, fault: &GuestFault) {
        match fault {
            GuestFault::RoomElsewhere(_) => {}
            fault => self.log_failed_alarm(&fault.to_string()),
        }
    }

    fn now(&self) -> Duration {
        self.plugin().live_version().clock().now()
    }

    fn log_failed_alarm(&self, error: &str) {
        let (plugin, room) = (&*self.plugin().label, self.room.as_ref());
        let room = room.map(|room| room.name.as_str());
        tracing::warn!(plugin, room, error, "the alarm of a room failed");
    }
}
