//! Checkpoints: the state with which another instance goes on when this one traps.

use std::sync::Arc;

use super::consumer_instance::Instance;
use super::instance_mark::InstanceMark;
use super::instance_snapshot::{ConsumerSnapshots, InstanceSnapshot};
use super::snapshot::{ConsumerState, GuestSnapshot, ModuleState};
use crate::bindings::exports::narrowboat::consumer::websocket::SaveMode;
use narrowboat_core::fault::GuestFault;

impl Instance {
    /// Makes a checkpoint if one is due before the next event. A guest that fails to save its state keeps the last one; the
    /// attempt counts.
    pub(super) fn keep_checkpoint(&mut self) {
        let event_count = self.event_count;
        let is_due = self.checkpoints.as_ref().is_some_and(|it| it.is_due(event_count));
        if !is_due || self.is_dead() {
            return;
        }
        let made = self.save_all(SaveMode::Trial);
        if let Err(fault) = &made {
            let ctx = &self.store.data().ctx;
            let (plugin, version) = (&*ctx.plugin, &*ctx.version);
            tracing::warn!(plugin, version, %fault, "cannot save an instance for the case that it traps");
        }
        if let Some(checkpoints) = &mut self.checkpoints {
            checkpoints.record(event_count, made.ok());
        }
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
    /// room for it. `visitors` has the channels of the consumers with their schemas and states.
    pub fn checkpoint_of_room(
        &self,
        mark: InstanceMark,
        (schema, state): (u32, Vec<u8>),
        visitors: impl Iterator<Item = (String, Option<(u32, Vec<u8>)>)>,
    ) -> Option<InstanceSnapshot> {
        let event_count = mark.events_of(self.number)?;
        let data = self.store.data();
        let reserve = |schema, state| GuestSnapshot::reserve(&data.ctx.quota, schema, state);
        let mut consumers = ConsumerSnapshots::default();
        for (channel, saved) in visitors {
            let Some(id) = data.connections.find(&channel) else { continue };
            let saved = match saved {
                Some((schema, state)) => Some(reserve(schema, state)?),
                None => None,
            };
            consumers.insert(id, saved);
        }
        let version = Arc::clone(self.version());
        let module = ModuleState::Shared(reserve(schema, state)?);
        Some(InstanceSnapshot { version, module, consumers, event_count })
    }

    /// Takes the last checkpoint, and makes no further ones.
    pub fn take_checkpoint(&mut self) -> Option<InstanceSnapshot> {
        self.checkpoints.take()?.take()
    }

    /// Saves the state of the module and of all consumers, without code that waits in the mode [`SaveMode::Trial`].
    ///
    /// # Errors
    /// If the guest fails to save any of them.
    pub(super) fn save_all(&mut self, mode: SaveMode) -> Result<InstanceSnapshot, GuestFault> {
        let module = self.save_module(mode)?;
        let with_module = matches!(module, ModuleState::WithConsumers(_));
        let mut consumers = ConsumerSnapshots::default();
        for id in self.consumer_ids() {
            let saved = match with_module {
                true => None,
                false => match self.snapshot(id, mode)? {
                    ConsumerState::Saved(saved) => Some(saved),
                    ConsumerState::Busy => continue,
                },
            };
            consumers.insert(id, saved);
        }
        let version = Arc::clone(self.version());
        Ok(InstanceSnapshot { version, module, consumers, event_count: self.event_count })
    }
}
