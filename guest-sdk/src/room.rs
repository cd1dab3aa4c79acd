//! The room of the instance, for plugins with `isolation = "room"`, and its alarm.
//!
//! The visitors of a room share one instance, and with it the module's memory. [`everyone`](crate::everyone) sends to all
//! of them. The host saves the state with [`Consumer::save_module`](crate::Consumer::save_module) when the room is empty, and
//! restores it for the next visitor or for the alarm.
//!
//! A room has one alarm. It outlives the instance and the host: when it is due, the host wakes the room and calls
//! [`Consumer::alarm`](crate::Consumer::alarm), again and again until that succeeds.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::imports::instance;

/// The name of the room; `None` without `isolation = "room"`.
pub fn name() -> Option<String> {
    instance::room()
}

/// Sets the alarm of the room, in place of an earlier one, to a time from now.
///
/// # Errors
/// If the instance is not one of a room, or the time is more than 100 years ahead.
pub fn set_alarm(delay: Duration) -> Result<(), AlarmError> {
    set(instance::AlarmTime::After(millis(delay)))
}

/// Sets the alarm of the room, in place of an earlier one, to a time. One that has passed is due at once.
///
/// # Errors
/// As [`set_alarm`].
pub fn set_alarm_at(time: SystemTime) -> Result<(), AlarmError> {
    let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    set(instance::AlarmTime::At(millis(since_epoch)))
}

fn set(time: instance::AlarmTime) -> Result<(), AlarmError> {
    instance::set_alarm(time).map_err(AlarmError)
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_micros().div_ceil(1_000)).unwrap_or(u64::MAX)
}

/// Cancels the alarm of the room, if it has one.
pub fn cancel_alarm() {
    instance::cancel_alarm();
}

/// The time of the alarm. It is `None` while [`Consumer::alarm`](crate::Consumer::alarm) runs, unless that has set one.
pub fn alarm() -> Option<SystemTime> {
    instance::get_alarm().map(|millis| UNIX_EPOCH + Duration::from_millis(millis))
}

/// Why an alarm cannot be set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlarmError(String);

impl fmt::Display for AlarmError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for AlarmError {}

/// Why the host restores state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RestoreReason {
    /// The instance runs another version than before.
    Version,
    /// The room was asleep, or its host has died.
    Wake,
    /// The instance before trapped or timed out. The state is that of its last checkpoint, and events since then are lost.
    Failure,
    /// The connection was idle, and gave its instance back.
    Hibernation,
}

/// Why the host restores state, in [`Consumer::load_module`](crate::Consumer::load_module),
/// [`Consumer::restore`](crate::Consumer::restore) and [`Consumer::after_restore`](crate::Consumer::after_restore). `None`
/// elsewhere.
pub fn restore_reason() -> Option<RestoreReason> {
    instance::get_restore_reason().map(|reason| match reason {
        instance::RestoreReason::Version => RestoreReason::Version,
        instance::RestoreReason::Wake => RestoreReason::Wake,
        instance::RestoreReason::Failure => RestoreReason::Failure,
        instance::RestoreReason::Hibernation => RestoreReason::Hibernation,
    })
}
