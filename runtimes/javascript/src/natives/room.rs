//! The room of the instance, its alarm, and why state is restored.

use rquickjs::prelude::Func;
use rquickjs::{Ctx, Exception, Object, Result};

use crate::bindings::narrowboat::consumer::instance::{self, AlarmTime, RestoreReason};

pub fn add_to<'js>(natives: &Object<'js>) -> Result<()> {
    natives.set("roomName", Func::from(instance::room))?;
    natives.set("setAlarm", Func::from(set_alarm))?;
    natives.set("cancelAlarm", Func::from(instance::cancel_alarm))?;
    natives.set("getAlarm", Func::from(get_alarm))?;
    natives.set("restoreReason", Func::from(restore_reason))?;
    Ok(())
}

/// Sets the alarm: "at" a time since 1970, or "after" a time from now, in milliseconds.
fn set_alarm(ctx: Ctx<'_>, kind: String, millis: f64) -> Result<()> {
    let millis = millis as u64;
    let time = if kind == "at" { AlarmTime::At(millis) } else { AlarmTime::After(millis) };
    match instance::set_alarm(time) {
        Ok(()) => Ok(()),
        Err(text) => Err(Exception::throw_message(&ctx, &text)),
    }
}

fn get_alarm() -> Option<f64> {
    instance::get_alarm().map(|time| time as f64)
}

/// The reason as the place in the list of `room.js`.
fn restore_reason() -> Option<u32> {
    instance::get_restore_reason().map(|reason| match reason {
        RestoreReason::Version => 0,
        RestoreReason::Wake => 1,
        RestoreReason::Failure => 2,
        RestoreReason::Hibernation => 3,
    })
}
