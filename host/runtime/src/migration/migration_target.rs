//! The new instance of a migration, while consumers move into it.

use std::sync::Arc;

use super::migration_error::MigrationError;
use super::migration_stats::MigrationStats;
use crate::effects::Effect;
use crate::instance::{GuestSnapshot, Instance, InstanceSnapshot, LostVisitor, MigratingConsumer};
use crate::store::RestoreReason;
use crate::version::Version;
use narrowboat_config::FailedMovePolicy;
use narrowboat_core::fault::{Fault, HostFault};

/// The new instance of a migration, while consumers move into it.
pub(super) struct MigrationTarget {
    instance: Instance,
    effects: Vec<Effect>,
    policy: FailedMovePolicy,
    stats: MigrationStats,
}

impl MigrationTarget {
    /// Starts an instance of `to` with the module's state.
    ///
    /// # Errors
    /// If the instance cannot start, or does not load the module's state.
    pub(super) fn start(
        to: Arc<Version>,
        old: &Instance,
        snapshot: &InstanceSnapshot,
        policy: FailedMovePolicy,
        reason: RestoreReason,
    ) -> Result<Self, MigrationError> {
        let mut instance = Instance::new_successor(to).map_err(MigrationError::Start)?;
        instance.inherit_ids_from(old);
        instance.set_restore_reason(Some(reason));
        if let Some(module) = snapshot.module.snapshot() {
            instance.load_module(module).map_err(MigrationError::LoadModule)?;
        }
        let effects = instance.take_effects();
        Ok(Self { instance, effects, policy, stats: MigrationStats::default() })
    }

    /// Moves a consumer with its state. `saved` is `None` if the module's state has it.
    ///
    /// # Errors
    /// If the consumer cannot move and the policy keeps all consumers on the old version, or the new instance is dead.
    pub(super) fn restore_consumer(
        &mut self,
        consumer: &MigratingConsumer,
        saved: Option<&GuestSnapshot>,
    ) -> Result<(), MigrationError> {
        match self.instance.restore(consumer, saved) {
            Ok(()) => {
                self.effects.append(&mut self.instance.take_effects());
                self.stats.moved += 1;
                Ok(())
            }
            Err(fault) => self.apply_failed_move_policy(consumer, MigrationError::Restore(fault)),
        }
    }

    /// Calls the `disconnect` of a consumer in the state whose connection has ended since.
    ///
    /// # Errors
    /// If the instance dies of that.
    pub(super) fn disconnect_ended(
        &mut self,
        consumer: &LostVisitor,
    ) -> Result<(), MigrationError> {
        self.instance.disconnect_lost(consumer).map_err(MigrationError::Restore)?;
        self.effects.append(&mut self.instance.take_effects());
        Ok(())
    }

    /// Restarts a consumer that cannot move, or fails its connection, as the policy says.
    ///
    /// # Errors
    /// If the policy keeps all consumers on the old version, or the new instance is dead. Both end the migration.
    pub(super) fn apply_failed_move_policy(
        &mut self,
        consumer: &MigratingConsumer,
        error: MigrationError,
    ) -> Result<(), MigrationError> {
        drop(self.instance.take_effects());
        if self.policy == FailedMovePolicy::KeepOld || self.instance.is_dead() {
            return Err(error);
        }
        if self.policy == FailedMovePolicy::Restart && self.restart_consumer(consumer)? {
            return Ok(());
        }
        let fault = Fault::Host(HostFault::StateLost(error.to_string()));
        self.effects.push(Effect::Fail(Arc::clone(&consumer.connection), fault));
        self.stats.closed += 1;
        Ok(())
    }

    /// Creates a fresh consumer, and returns whether the guest accepted it.
    fn restart_consumer(&mut self, consumer: &MigratingConsumer) -> Result<bool, MigrationError> {
        match self.instance.restart_consumer(consumer) {
            Ok(()) => {
                self.effects.append(&mut self.instance.take_effects());
                self.stats.restarted += 1;
                Ok(true)
            }
            Err(fault) if self.instance.is_dead() => Err(MigrationError::Restart(fault)),
            Err(_) => {
                drop(self.instance.take_effects());
                Ok(false)
            }
        }
    }

    /// Returns the filled instance, the effects of its calls, and the results for the consumers.
    pub(super) fn into_parts(mut self) -> (Instance, Vec<Effect>, MigrationStats) {
        self.instance.set_restore_reason(None);
        (self.instance, self.effects, self.stats)
    }
}
