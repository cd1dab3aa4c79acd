//! The room of an instance, and its alarm.

use std::sync::Arc;

use super::consumer_instance::Instance;
use crate::call::GuestReply;
use crate::effects::Effect;
use crate::store::{RestoreReason, RoomContext, RoomLink};
use narrowboat_core::fault::{GuestFault, sanitize_log_line};

impl Instance {
    /// Tells a new instance which room it is for.
    pub fn enter_room(&mut self, link: Arc<RoomLink>) {
        self.store.data_mut().room = Some(Box::new(RoomContext::new(link)));
    }

    /// The room that the instance is for.
    pub(crate) fn room(&self) -> Option<&Arc<RoomLink>> {
        self.store.data().room.as_ref().map(|room| &room.link)
    }

    /// Whether this host still owns the room of the instance, if it is for one.
    pub fn is_room_owned(&self) -> bool {
        self.room().is_none_or(|room| room.is_owned())
    }

    /// Sets why the next calls restore state. `None` if they do not.
    pub(crate) fn set_restore_reason(&mut self, reason: Option<RestoreReason>) {
        self.store.data_mut().restore_reason = reason;
    }

    fn handle_alarm(&mut self) -> Result<(), GuestFault> {
        self.keep_checkpoint()?;
        self.store.version().stats.record_events(1);
        self.store.data_mut().connections.clear_current();
        let result = self.dispatch_alarm();
        self.event_count += u64::from(!self.store.is_dead());
        self.may_have_state = true;
        let violation = self.store.data_mut().take_contract_violation();
        let result = result.map(|()| GuestReply::Done);
        self.record_result(&result, violation);
        result.map(drop)
    }

    /// Brings the alarm of the room to the guest. Returns the result, and the effects. A guest that has no handler of alarms
    /// fails. The instance can still be called, unless it has died.
    pub fn call_alarm(&mut self) -> (Result<(), GuestFault>, Vec<Effect>) {
        let result = self.handle_alarm();
        (result, self.take_effects())
    }

    fn dispatch_alarm(&mut self) -> Result<(), GuestFault> {
        let Self { store, alarms, .. } = self;
        let Some(alarms) = alarms else {
            let text = "this version does not handle the alarm that an earlier one has set";
            return Err(GuestFault::Error(text.to_owned()));
        };
        store
            .call_with_deadline(|_, store| alarms.call_alarm(store))?
            .map_err(|text| GuestFault::Error(sanitize_log_line(&text)))
    }
}
