//! The state of a room, which outlives the instance of the room.

use std::sync::Arc;

use super::consumer_instance::Instance;
use super::lost_visitor::LostVisitor;
use super::snapshot::{ConsumerState, GuestSnapshot, MigratingConsumer, ModuleState};
use crate::bindings::exports::narrowboat::consumer::websocket::{SaveMode, SavedParam};
use crate::call::Call;
use crate::effects::Effect;
use crate::store::{RestoreReason, RoomLink};
use crate::version::Version;
use narrowboat_core::close_frame::CloseFrame;
use narrowboat_core::fault::{GuestFault, sanitize_log_line};
use narrowboat_core::scope::Scope;
use narrowboat_quota::Reservation;
use narrowboat_websocket::connection::ConnectionHandle;

/// Why the state of a room is saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoomSaveReason {
    /// To have it after a failure. The room goes on, and code that waits is left out.
    Checkpoint,
    /// To drop the instance. A guest whose code waits may answer that it is busy.
    Sleep,
    /// To drop the instance. The guest cancels the code that waits.
    ForcedSleep,
}

/// The answer of a guest that was asked for the state of its room.
#[derive(Debug)]
pub enum RoomState {
    /// The plugin has no state.
    None,
    /// The state of the module, and the visitors.
    Saved(GuestSnapshot, Vec<RoomVisitor>),
    /// The code of the guest waits.
    Busy,
}

/// A visitor of a room, and the state of its consumer.
#[derive(Debug)]
pub struct RoomVisitor {
    /// The connection.
    pub connection: Arc<ConnectionHandle>,
    /// The scope of its handshake.
    pub scope: Arc<Scope>,
    /// The state of its consumer; `None` if the state of the module has it.
    pub saved: Option<GuestSnapshot>,
}

/// Why a room cannot be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoomStartError {
    /// The instance cannot be made.
    Start(GuestFault),
    /// The guest cannot load the state.
    Load(GuestFault),
    /// The guest has died of a `disconnect` of a lost visitor.
    Disconnect(GuestFault),
}

impl RoomStartError {
    /// The fault.
    pub fn into_fault(self) -> GuestFault {
        match self {
            Self::Start(fault) | Self::Load(fault) | Self::Disconnect(fault) => fault,
        }
    }
}

impl Instance {
    /// Saves the state of the room: that of the module, and the consumers of its visitors. A consumer that cannot be saved is
    /// left out. Drops the effects of the calls.
    ///
    /// # Errors
    /// If the guest fails to save the module. The instance can still be called, unless it has died.
    pub fn save_room(&mut self, reason: RoomSaveReason) -> Result<RoomState, GuestFault> {
        match reason {
            RoomSaveReason::Sleep => self.save_room_in_mode(SaveMode::Move),
            RoomSaveReason::ForcedSleep => self.save_room_in_mode(SaveMode::ForcedMove),
            RoomSaveReason::Checkpoint => match self.save_room_in_mode(SaveMode::Trial) {
                // A move leaves out what a trial refuses to save.
                Err(_) if !self.is_dead() => self.save_room_in_mode(SaveMode::Move),
                saved => saved,
            },
        }
    }

    fn save_room_in_mode(&mut self, mode: SaveMode) -> Result<RoomState, GuestFault> {
        match self.save_module(mode)? {
            ModuleState::None => Ok(RoomState::None),
            ModuleState::Busy => Ok(RoomState::Busy),
            ModuleState::Shared(saved) => {
                let visitors = self.save_visitors(mode)?;
                Ok(RoomState::Saved(saved, visitors))
            }
            ModuleState::WithConsumers(saved) => {
                let consumers = self.migrating_consumers().into_iter();
                let visitors = consumers.map(|consumer| RoomVisitor::new(consumer, None));
                Ok(RoomState::Saved(saved, visitors.collect()))
            }
        }
    }

    fn save_visitors(&mut self, mode: SaveMode) -> Result<Vec<RoomVisitor>, GuestFault> {
        let mut visitors = Vec::new();
        for consumer in self.migrating_consumers() {
            let saved = match self.snapshot(consumer.id, mode) {
                Ok(ConsumerState::Busy) => self.snapshot(consumer.id, SaveMode::Trial),
                saved => saved,
            };
            match saved {
                Ok(ConsumerState::Saved(saved)) => {
                    visitors.push(RoomVisitor::new(consumer, Some(saved)));
                }
                Err(fault) if self.is_dead() => return Err(fault),
                Ok(ConsumerState::Busy) | Err(_) => {}
            }
        }
        Ok(visitors)
    }

    /// Creates an instance of a room that has slept or failed, and restores its state. The consumers of visitors whose
    /// connections have ended meanwhile get a `disconnect` with 1006. Returns the effects of all that too.
    ///
    /// # Errors
    /// The step that failed. A fault of it counts for the version.
    pub fn wake_room(
        version: Arc<Version>,
        pool_slots: Reservation,
        (schema, state): (u32, &[u8]),
        lost_visitors: &[LostVisitor],
        link: Arc<RoomLink>,
    ) -> Result<(Self, Vec<Effect>), RoomStartError> {
        let mut instance = Self::new(version, pool_slots).map_err(RoomStartError::Start)?;
        // The state is the one that was saved, until the room has woken.
        let checkpoints = instance.checkpoints.take();
        instance.enter_room(link);
        instance.set_restore_reason(Some(RestoreReason::Wake));
        instance.load_room(SavedParam { schema, state })?;
        let mut effects = instance.take_effects();
        for visitor in lost_visitors {
            instance.disconnect_lost(visitor).map_err(RoomStartError::Disconnect)?;
            effects.append(&mut instance.take_effects());
        }
        instance.set_restore_reason(None);
        instance.checkpoints = checkpoints;
        Ok((instance, effects))
    }

    fn load_room(&mut self, saved: SavedParam<'_>) -> Result<(), RoomStartError> {
        let loaded = self
            .call_with_deadline(|guest, store| guest.call_load_module(store, saved))
            .and_then(|loaded| loaded.map_err(|text| GuestFault::Error(sanitize_log_line(&text))));
        loaded.map_err(|fault| match fault {
            // The limits of the host say nothing about the state.
            GuestFault::QuotaExceeded(_) | GuestFault::InstanceLost => RoomStartError::Start(fault),
            fault => {
                self.version().stats().record_fault(&fault);
                RoomStartError::Load(fault)
            }
        })
    }

    /// Restores the consumer of a lost visitor, and calls its `disconnect`. A fault that does not kill the instance is left
    /// to the counts of the version.
    pub(crate) fn disconnect_lost(&mut self, visitor: &LostVisitor) -> Result<(), GuestFault> {
        let LostVisitor { connection, scope, saved } = visitor;
        let id = self.store.data_mut().connections.next_id();
        let consumer =
            MigratingConsumer { id, connection: Arc::clone(connection), scope: Arc::clone(scope) };
        let saved = saved.as_ref().map(|(schema, state)| SavedParam { schema: *schema, state });
        let ended = match self.restore_param(&consumer, saved) {
            Ok(()) => self.call(&mut Call::Disconnect(id, CloseFrame::abnormal())).map(drop),
            Err(fault) => Err(fault),
        };
        match ended {
            Err(fault) if self.is_dead() => Err(fault),
            _ => Ok(()),
        }
    }
}

impl RoomVisitor {
    fn new(consumer: MigratingConsumer, saved: Option<GuestSnapshot>) -> Self {
        Self { connection: consumer.connection, scope: consumer.scope, saved }
    }
}
