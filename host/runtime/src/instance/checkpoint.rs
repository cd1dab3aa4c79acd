//! Checkpoints: the state with which another instance goes on when this one traps.

use std::sync::Arc;
use std::time::Instant;

use super::consumer_instance::Instance;
use super::instance_mark::InstanceMark;
use super::instance_snapshot::{ConsumerSnapshots, InstanceSnapshot};
use super::lost_visitor::LostVisitor;
use super::snapshot::{ConsumerState, GuestSnapshot, ModuleState};
use crate::bindings::exports::narrowboat::consumer::websocket::SaveMode;
use crate::call::{Call, ConnectionId};
use narrowboat_core::fault::GuestFault;

impl Instance {
    /// Makes a checkpoint if one is due before the next event. A guest that fails to save its state keeps the last one; the
    /// attempt counts.
    ///
    /// # Errors
    /// The fault that killed the instance. The event has not begun then.
    pub(super) fn keep_checkpoint(&mut self) -> Result<(), GuestFault> {
        let event_count = self.event_count;
        let is_due = self.checkpoints.as_ref().is_some_and(|it| it.is_due(event_count));
        // Before the first consumer there is no state to go on with.
        if !is_due || !self.may_have_state || self.is_dead() {
            return Ok(());
        }
        let made = self.save_all();
        let Some(checkpoints) = &mut self.checkpoints else { return Ok(()) };
        let Some(fault) = checkpoints.record(event_count, made) else { return Ok(()) };
        let (is_first, ctx) = (checkpoints.is_first_failure(), &self.store.data().ctx);
        if is_first {
            let (plugin, version) = (&*ctx.plugin, &*ctx.version);
            tracing::warn!(plugin, version, %fault, "cannot save an instance for the case that it traps");
        }
        self.has_died_saving = self.is_dead();
        if !self.has_died_saving {
            return Ok(());
        }
        self.version().stats().record_fault(&fault);
        Err(fault)
    }

    /// Whether the instance has died while it was saved, before the event for which it was called.
    pub fn has_died_saving(&self) -> bool {
        self.has_died_saving
    }

    /// Whether the last event of an instance comes, after which its state is not needed.
    pub(super) fn ends_with(&self, call: &Call) -> bool {
        let is_alone = || self.room().is_none() && self.connections().count() == 1;
        call.ends_consumer() && is_alone()
    }

    /// The number of events that may follow in one call before a checkpoint is due.
    pub(super) fn events_before_checkpoint(&self) -> usize {
        let event_count = self.event_count;
        self.checkpoints.as_ref().map_or(usize::MAX, |it| it.events_left(event_count))
    }

    /// Makes no checkpoints, because the owner saves the state after each event.
    pub fn stop_checkpoints(&mut self) {
        self.checkpoints = None;
    }

    /// A checkpoint of the state of a room, which was saved at `mark`. `None` if another instance saved it, or the quota has no
    /// room for it.
    pub fn checkpoint_of_room(
        &self,
        mark: InstanceMark,
        (schema, state): (u32, Vec<u8>),
        visitors: impl Iterator<Item = LostVisitor>,
    ) -> Option<InstanceSnapshot> {
        let event_count = mark.events_of(self.number)?;
        let data = self.store.data();
        let reserve = |schema, state| GuestSnapshot::reserve(&data.ctx.quota, schema, state);
        let mut consumers = ConsumerSnapshots::default();
        let mut ended = Vec::new();
        for visitor in visitors {
            let Some(id) = data.connections.find(visitor.connection.channel.as_str()) else {
                ended.push(visitor);
                continue;
            };
            let saved = match visitor.saved {
                Some((schema, state)) => Some(reserve(schema, state)?),
                None => None,
            };
            consumers.insert(id, saved);
        }
        let version = Arc::clone(self.version());
        let module = ModuleState::Shared(reserve(schema, state)?);
        let members = Vec::new();
        Some(InstanceSnapshot { version, module, consumers, members, ended, event_count })
    }

    /// Takes the last checkpoint, and makes no further ones.
    pub fn take_checkpoint(&mut self) -> Option<InstanceSnapshot> {
        self.checkpoints.take()?.take()
    }

    /// Saves the state of the module and of all consumers, without code that waits. A consumer that cannot be saved is left
    /// out.
    ///
    /// # Errors
    /// If the guest fails to save the module, or all of it takes longer than one call may. The instance can still be called,
    /// unless it has died.
    fn save_all(&mut self) -> Result<InstanceSnapshot, GuestFault> {
        let started = Instant::now();
        let module = match self.save_module(SaveMode::Trial) {
            // A move leaves out what a trial refuses to save.
            Err(_) if !self.is_dead() => self.save_module(SaveMode::Move)?,
            saved => saved?,
        };
        let members = self.migrating_consumers();
        let mut consumers = ConsumerSnapshots::default();
        for member in &members {
            let saved = match module {
                ModuleState::Busy => {
                    let text = "its code waits, and only a move saves it".to_owned();
                    return Err(GuestFault::Error(text));
                }
                ModuleState::WithConsumers(_) => Some(None),
                ModuleState::None | ModuleState::Shared(_) => {
                    self.save_in_time(member.id, started)?.map(Some)
                }
            };
            saved.into_iter().for_each(|saved| drop(consumers.insert(member.id, saved)));
        }
        let (version, event_count) = (Arc::clone(self.version()), self.event_count);
        let ended = Vec::new();
        Ok(InstanceSnapshot { version, module, consumers, members, ended, event_count })
    }

    /// Saves a consumer, if the checkpoint does not take too long. `None` if the consumer cannot be saved.
    fn save_in_time(
        &mut self,
        id: ConnectionId,
        started: Instant,
    ) -> Result<Option<GuestSnapshot>, GuestFault> {
        if started.elapsed() > self.store.data().ctx.limits.call_time {
            let text = "the states of all its consumers take longer to save than `call_time`";
            return Err(GuestFault::Error(text.to_owned()));
        }
        match self.snapshot(id, SaveMode::Trial) {
            Ok(ConsumerState::Saved(saved)) => Ok(Some(saved)),
            Err(fault) if self.is_dead() || matches!(fault, GuestFault::QuotaExceeded(_)) => {
                Err(fault)
            }
            Ok(ConsumerState::Busy) | Err(_) => Ok(None),
        }
    }
}
