//! `narrowboat:consumer/instance`.

use std::time::{Duration, UNIX_EPOCH};

use super::super::{
    current_instance::{InstanceId, OUTSIDE, with_host},
    effect::Effect,
    host_state::{HostState, SuppressReason},
};
pub(crate) use crate::bindings::narrowboat::consumer::instance::{AlarmTime, RestoreReason};

fn with<R>(work: impl FnOnce(&mut HostState, InstanceId) -> R) -> R {
    match with_host(work) {
        Some(result) => result,
        None => panic!("{OUTSIDE}"),
    }
}

pub(crate) fn get_restore_reason() -> Option<RestoreReason> {
    with(|host, _| host.is_restoring.then_some(RestoreReason::Version))
}

pub(crate) fn room() -> Option<String> {
    with(|host, instance| host.room_of(instance).map(|(name, _)| name.to_owned()))
}

pub(crate) fn set_alarm(time: AlarmTime) -> Result<(), String> {
    with(|host, instance| {
        let since_epoch = |time: std::time::SystemTime| time.duration_since(UNIX_EPOCH);
        let started = since_epoch(host.started).unwrap_or_default();
        let at = match time {
            AlarmTime::At(millis) => Duration::from_millis(millis).saturating_sub(started),
            AlarmTime::After(millis) => host.elapsed.saturating_add(Duration::from_millis(millis)),
        };
        let Some((room, _)) = host.room_of(instance) else {
            return Err(
                "only a room has an alarm: the plugin needs `isolation = \"room\"`".to_owned()
            );
        };
        let effect = Effect::SetAlarm(room.to_owned(), Some(at));
        host.effects.push(effect);
        Ok(())
    })
}

pub(crate) fn cancel_alarm() {
    with(|host, instance| {
        if let Some((room, _)) = host.room_of(instance) {
            let effect = Effect::SetAlarm(room.to_owned(), None);
            host.effects.push(effect);
        }
    });
}

pub(crate) fn get_alarm() -> Option<u64> {
    with(|host, instance| {
        let (name, room) = host.room_of(instance)?;
        let set = host.effects.iter().rev().find_map(|effect| match effect {
            Effect::SetAlarm(to, at) if to == name => Some(*at),
            _ => None,
        });
        let at = set.unwrap_or(room.alarm)?;
        let time = (host.started + at).duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(time.as_millis()).ok()
    })
}

impl HostState {
    /// Whether the running call restores state in a trial or in a move.
    pub(in super::super) fn begin_restore(&mut self, suppressed: Option<SuppressReason>) {
        (self.is_restoring, self.suppressed) = (true, suppressed);
    }

    /// Ends [`HostState::begin_restore`].
    pub(in super::super) fn end_restore(&mut self) {
        (self.is_restoring, self.suppressed) = (false, None);
    }
}
