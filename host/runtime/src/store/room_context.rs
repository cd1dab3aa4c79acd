//! The room of an instance during a call.

use std::sync::Arc;

use super::room_link::RoomLink;
use narrowboat_core::alarm_time::AlarmTime;

/// The room of an instance, and the alarm that the running call has set.
#[derive(Debug)]
pub(crate) struct RoomContext {
    pub(crate) link: Arc<RoomLink>,
    /// The alarm that the running call has set, or none if it has cancelled the alarm.
    new_alarm: Option<Option<AlarmTime>>,
}

impl RoomContext {
    pub(crate) fn new(link: Arc<RoomLink>) -> Self {
        Self { link, new_alarm: None }
    }

    /// The alarm as the guest sees it.
    pub(crate) fn alarm(&self) -> Option<AlarmTime> {
        self.new_alarm.unwrap_or_else(|| self.link.alarm())
    }

    /// Lets the guest see an alarm before the call has ended.
    pub(crate) fn set_new_alarm(&mut self, alarm: Option<AlarmTime>) {
        self.new_alarm = Some(alarm);
    }

    /// Forgets the alarm of the call that has ended.
    pub(crate) fn reset_call(&mut self) {
        self.new_alarm = None;
    }
}
