//! The state with which another version is tried.

use std::sync::Arc;

use super::migration_error::MigrationError;
use super::state_source::PreSnapshots;
use crate::call::ConnectionId;
use crate::instance::{GuestSnapshot, Instance, MigratingConsumer};
use crate::version::Version;

/// The state with which another version is tried: the module's state of an instance, and one of its consumers.
#[derive(Debug)]
pub struct TrialState {
    /// The module's state, if the guest keeps any.
    module: Option<GuestSnapshot>,
    /// One consumer, if the instance has any.
    consumer: Option<(MigratingConsumer, GuestSnapshot)>,
}

impl TrialState {
    /// Restores the state in an instance of `version` that is then dropped, with all its effects.
    ///
    /// # Errors
    /// The step at which the version failed.
    pub fn try_restore(self, version: Arc<Version>) -> Result<(), MigrationError> {
        let mut instance = Instance::new_trial(version).map_err(MigrationError::Start)?;
        if let Some(module) = &self.module {
            instance.load_module(module).map_err(MigrationError::LoadModule)?;
        }
        if let Some((consumer, saved)) = self.consumer {
            instance.restore(&consumer, &saved).map_err(MigrationError::Restore)?;
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
        let consumer = self.first_migrating_consumer().map(|consumer| {
            let saved = self.snapshot(consumer.id).map_err(MigrationError::Snapshot)?;
            Ok((consumer, saved))
        });
        let consumer = consumer.transpose()?;
        let module = self.save_module().map_err(MigrationError::SaveModule)?;
        Ok(TrialState { module, consumer })
    }

    /// Saves consumers before a migration. A consumer that cannot be saved now is saved by the migration.
    pub fn pre_snapshot(&mut self, consumers: &[ConnectionId], snapshots: &mut PreSnapshots) {
        for id in consumers {
            if let Ok(saved) = self.snapshot(*id) {
                snapshots.0.insert(*id, saved);
            }
        }
    }
}
