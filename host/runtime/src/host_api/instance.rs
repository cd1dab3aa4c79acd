//! `narrowboat:consumer/instance`: the room of the instance, its alarm, and why state is restored.

use std::sync::Arc;
use std::time::Duration;

use crate::bindings::alarm_world::narrowboat::consumer::instance::{
    AlarmTime as GuestAlarmTime, Host, RestoreReason as GuestRestoreReason,
};
use crate::effects::Effect;
use crate::store::{GuestState, RestoreReason};
use narrowboat_core::alarm_time::AlarmTime;

impl From<RestoreReason> for GuestRestoreReason {
    fn from(reason: RestoreReason) -> Self {
        match reason {
            RestoreReason::Version => Self::Version,
            RestoreReason::Wake => Self::Wake,
            RestoreReason::Failure => Self::Failure,
            RestoreReason::Hibernation => Self::Hibernation,
        }
    }
}

impl GuestState {
    /// Sets the alarm of the room after the running call.
    ///
    /// # Errors
    /// The outer one if the call has too many effects, the inner one for the guest.
    fn set_room_alarm(&mut self, time: GuestAlarmTime) -> wasmtime::Result<Result<(), String>> {
        let now = self.ctx.services.clock.now();
        let time = match time {
            GuestAlarmTime::At(millis) => AlarmTime::from_millis(millis),
            GuestAlarmTime::After(millis) => AlarmTime::after(now, Duration::from_millis(millis)),
        };
        let Some(room) = &mut self.room else {
            let text = "only a room has an alarm: the plugin needs `isolation = \"room\"`";
            return Ok(Err(text.to_owned()));
        };
        if !self.ctx.handles_alarms() {
            return Ok(
                Err("the plugin does not export `alarms`, so it cannot have one".to_owned()),
            );
        }
        if !time.is_in_range(now) {
            return Ok(Err("an alarm is at most 100 years ahead".to_owned()));
        }
        room.set_new_alarm(Some(time));
        let effect = Effect::SetAlarm(Arc::clone(&room.link), Some(time));
        self.push_effect_or_trap(effect).map(Ok)
    }
}

impl Host for GuestState {
    fn get_restore_reason(&mut self) -> wasmtime::Result<Option<GuestRestoreReason>> {
        Ok(self.restore_reason.map(GuestRestoreReason::from))
    }

    fn room(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(self.room.as_ref().map(|room| room.link.name.to_string()))
    }

    fn set_alarm(&mut self, time: GuestAlarmTime) -> wasmtime::Result<Result<(), String>> {
        self.set_room_alarm(time)
    }

    fn cancel_alarm(&mut self) -> wasmtime::Result<()> {
        let Some(room) = &mut self.room else { return Ok(()) };
        room.set_new_alarm(None);
        let effect = Effect::SetAlarm(Arc::clone(&room.link), None);
        self.push_effect_or_trap(effect)
    }

    fn get_alarm(&mut self) -> wasmtime::Result<Option<u64>> {
        Ok(self.room.as_ref().and_then(|room| room.alarm()).map(AlarmTime::as_millis))
    }
}
