//! The state with which another version is tried.

use std::sync::Arc;

use super::migrate::save_consumer;
use super::migration_error::MigrationError;
use super::state_source::PreSnapshots;
use crate::bindings::narrowboat::consumer::types::SaveMode;
use crate::call::ConnectionId;
use crate::instance::{ConsumerState, GuestSnapshot, Instance, MigratingConsumer, ModuleState};
use crate::store::{RestoreReason, RoomLink};
use crate::version::Version;
use narrowboat_core::room_name::RoomName;
use narrowboat_quota::QuotaChain;

/// The state with which another version is tried: the module's state of an instance, and one of its consumers.
#[derive(Debug)]
pub struct TrialState {
    module: ModuleState,
    /// One consumer, if the instance has any. Its snapshot is `None` if the module's state has its state.
    consumer: Option<(MigratingConsumer, Option<GuestSnapshot>)>,
    /// The name of the room, if the state is that of a room.
    room: Option<RoomName>,
}

impl TrialState {
    /// The saved state of a room without visitors; `None` if the quota has no room for it.
    pub fn of_room(
        quota: &Arc<QuotaChain>,
        room: RoomName,
        schema: u32,
        state: Vec<u8>,
    ) -> Option<Self> {
        let snapshot = GuestSnapshot::reserve(quota, schema, state)?;
        Some(Self { module: ModuleState::Shared(snapshot), consumer: None, room: Some(room) })
    }

    /// Restores the state in an instance of `version` that is then dropped, with all its effects.
    ///
    /// # Errors
    /// The step at which the version failed.
    pub fn try_restore(self, version: Arc<Version>) -> Result<(), MigrationError> {
        let mut instance = Instance::new_trial(version).map_err(MigrationError::Start)?;
        instance.set_restore_reason(Some(RestoreReason::Version));
        if let Some(room) = self.room {
            // Alarms that the guest sets in it are those of no room.
            instance.enter_room(Arc::new(RoomLink::new(room)));
        }
        if let Some(module) = self.module.snapshot() {
            instance.load_module(module).map_err(MigrationError::LoadModule)?;
        }
        if let Some((consumer, saved)) = self.consumer {
            instance.restore(&consumer, saved.as_ref()).map_err(MigrationError::Restore)?;
        }
        Ok(())
    }
}

impl Instance {
    /// Saves the state with which another version is tried.
    ///
    /// # Errors
    /// If the guest fails to save it.
    pub fn capture_trial_state(&mut self) -> Result<TrialState, MigrationError> {
        let module = self.save_module(SaveMode::Trial).map_err(MigrationError::SaveModule)?;
        let room = self.room().map(|room| room.name.clone());
        let Some(consumer) = self.first_migrating_consumer() else {
            return Ok(TrialState { module, consumer: None, room });
        };
        let saved = match module {
            ModuleState::WithConsumers(_) => None,
            _ => Some(save_consumer(self, consumer.id, SaveMode::Trial)?),
        };
        Ok(TrialState { module, consumer: Some((consumer, saved)), room })
    }

    /// Saves consumers before a migration, unless the module saves them with itself. A consumer that cannot be saved
    /// now is saved by the migration.
    pub fn pre_snapshot(&mut self, consumers: &[ConnectionId], snapshots: &mut PreSnapshots) {
        if self.saves_consumers_with_module() {
            return;
        }
        for id in consumers {
            if let Ok(ConsumerState::Saved(saved)) = self.snapshot(*id, SaveMode::Move) {
                snapshots.0.insert(*id, Some(saved));
            }
        }
    }
}
