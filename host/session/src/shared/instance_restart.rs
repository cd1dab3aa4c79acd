//! The restart of a shared instance that has died: another one goes on with the state of the last checkpoint.

use std::fmt::Display;

use super::instance_task::SharedInstanceTask;
use crate::call_outcome::CallReply;
use crate::migrating_owner::MigratingOwner;
use narrowboat_core::fault::GuestFault;
use narrowboat_runtime::{Call, GuestReply, InstanceSnapshot, MigrationStats};

impl SharedInstanceTask {
    /// Recovers from the death of the instance, as [`Self::call_with_recovery`] says.
    pub(super) async fn handle_fatal_fault(&mut self, call: Call, fault: GuestFault) -> CallReply {
        if self.roll_back_after(&fault).await {
            return Box::pin(self.call_with_recovery(call)).await;
        }
        let has_begun = !self.has_died_saving();
        if self.restart_after(&fault).await {
            return match has_begun {
                true => self.skip_fatal_event(call, fault).await,
                false => Box::pin(self.call_with_recovery(call)).await,
            };
        }
        self.fail_all_connections();
        Err(fault).into()
    }

    /// After the instance has died of a call: lets another one go on with the state of the last checkpoint, if the manifest
    /// asks for that. Returns false if that was not possible, or has been done too often.
    pub(super) async fn restart_after(&mut self, fault: &(dyn Display + Sync)) -> bool {
        let has_died_saving = self.has_died_saving();
        let Some(checkpoint) = self.take_checkpoint() else { return false };
        let version = &*checkpoint.version().digest().short_hex();
        if !self.restart_limiter.try_restart() {
            let plugin = &*self.plugin().label;
            tracing::warn!(plugin, version, %fault, "an instance is not restarted again, since it traps too often");
            return false;
        }
        let result = self.restart(checkpoint).await;
        if has_died_saving {
            self.instance.iter_mut().for_each(|instance| instance.stop_checkpoints());
        }
        let (plugin, room) = (&*self.plugin().label, self.room.as_ref());
        let room = room.map(|room| room.name.as_str());
        match result {
            Ok(MigrationStats { moved, restarted, closed, lost_events, .. }) => {
                // The event of which the instance has died is lost too.
                let lost_events = lost_events + u64::from(!has_died_saving);
                self.registry.restarts.record(lost_events);
                tracing::warn!(
                    plugin,
                    version,
                    room,
                    consumers = moved,
                    without_state = restarted,
                    closed,
                    lost_events,
                    %fault,
                    "an instance goes on after a fault, with its last checkpoint"
                );
                self.instance.is_some()
            }
            Err(error) => {
                tracing::warn!(plugin, version, room, %fault, %error, "cannot restart an instance after a fault");
                false
            }
        }
    }

    /// Whether the instance has died while it was saved, before the event for which it was called.
    pub(super) fn has_died_saving(&self) -> bool {
        self.instance.as_ref().is_some_and(|instance| instance.has_died_saving())
    }

    /// The last checkpoint of the instance; of a room the state that was saved last, if that is newer.
    fn take_checkpoint(&mut self) -> Option<InstanceSnapshot> {
        let instance = self.instance.as_mut()?;
        let restarts = instance.version().restarts_after_trap();
        let checkpoint = instance.take_checkpoint().filter(|_| restarts);
        let traffic = self.registry.traffic();
        let room = self.room.as_ref().filter(|_| restarts);
        let saved = room.and_then(|room| room.checkpoint(instance, traffic));
        match (checkpoint, saved) {
            (Some(checkpoint), Some(saved)) if checkpoint.event_count() > saved.event_count() => {
                Some(checkpoint)
            }
            (checkpoint, saved) => saved.or(checkpoint),
        }
    }

    /// The reply to a call whose first event is lost, since an instance has died of it. The consumer of a connection that has
    /// ended is dropped.
    pub(super) async fn skip_fatal_event(&mut self, call: Call, fault: GuestFault) -> CallReply {
        match call {
            Call::Connect { .. } => Err(fault).into(),
            Call::Disconnect(id, _) | Call::Discard(id) => {
                let _ = Box::pin(self.call_with_recovery(Call::Discard(id))).await;
                Ok(GuestReply::Done).into()
            }
            call => CallReply { result: Ok(GuestReply::Done), rest: call.split_first_event().1 },
        }
    }
}
