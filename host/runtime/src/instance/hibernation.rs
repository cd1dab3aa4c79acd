//! Hibernation: the consumer of an idle connection without an instance.

use std::sync::Arc;

use super::consumer_instance::Instance;
use super::instance_snapshot::{ConsumerSnapshots, InstanceSnapshot};
use super::snapshot::{ConsumerState, MigratingConsumer, ModuleState};
use crate::bindings::exports::narrowboat::consumer::websocket::SaveMode;
use crate::effects::Effect;
use crate::store::RestoreReason;
use crate::version::Version;
use narrowboat_core::fault::GuestFault;
use narrowboat_quota::Reservation;

/// The consumer of an idle connection, and the state with which another instance goes on.
pub struct HibernatedConsumer {
    snapshot: InstanceSnapshot,
    consumer: MigratingConsumer,
    last_id: u32,
}

impl Instance {
    /// Saves an instance of one connection, so that it can be dropped. `None` if its code waits.
    ///
    /// # Errors
    /// If the guest fails to save its state. The instance can still be called, unless it has died. The fault counts for the
    /// version.
    pub fn hibernate(&mut self) -> Result<Option<HibernatedConsumer>, GuestFault> {
        let saved = self.save_idle();
        if let Err(fault) = &saved {
            self.version().stats().record_fault(fault);
        }
        saved
    }

    fn save_idle(&mut self) -> Result<Option<HibernatedConsumer>, GuestFault> {
        let lost = GuestFault::InstanceLost;
        let consumer = self.first_migrating_consumer().ok_or(lost)?;
        let module = self.save_module(SaveMode::Move)?;
        let saved = match module {
            ModuleState::Busy => return Ok(None),
            ModuleState::WithConsumers(_) => None,
            ModuleState::None | ModuleState::Shared(_) => {
                match self.snapshot(consumer.id, SaveMode::Move)? {
                    ConsumerState::Busy => return Ok(None),
                    ConsumerState::Saved(saved) => Some(saved),
                }
            }
        };
        let consumers: ConsumerSnapshots = [(consumer.id, saved)].into_iter().collect();
        let version = Arc::clone(self.version());
        let event_count = self.event_count;
        let (members, ended) = (Vec::new(), Vec::new());
        let snapshot = InstanceSnapshot { version, module, consumers, members, ended, event_count };
        let last_id = self.store.data().connections.last_id();
        Ok(Some(HibernatedConsumer { snapshot, consumer, last_id }))
    }
}

impl HibernatedConsumer {
    /// The version of the instance that was dropped.
    pub fn version(&self) -> &Arc<Version> {
        self.snapshot.version()
    }

    /// Goes on with the state that the consumer had when it left another version.
    pub fn roll_back_to(&mut self, snapshot: InstanceSnapshot) {
        self.snapshot = snapshot;
    }

    /// Makes an instance in the pool slots that are reserved for it, and restores the consumer in it.
    ///
    /// # Errors
    /// As [`HibernatedConsumer::wake_in`], and if no instance can be made.
    pub fn wake(&self, pool_slots: Reservation) -> Result<(Instance, Vec<Effect>), GuestFault> {
        let instance = Instance::new(Arc::clone(self.version()), pool_slots)?;
        self.wake_in(instance)
    }

    /// Restores the consumer in a new instance of its version. Returns the instance with the effects of that.
    ///
    /// # Errors
    /// If the guest cannot load the state. A fault of it counts for the version.
    pub fn wake_in(&self, mut instance: Instance) -> Result<(Instance, Vec<Effect>), GuestFault> {
        let restored = self.restore_in(&mut instance);
        if let Err(fault) = &restored {
            instance.version().stats().record_fault(fault);
        }
        restored?;
        instance.event_count = self.snapshot.event_count;
        let effects = instance.take_effects();
        Ok((instance, effects))
    }

    fn restore_in(&self, instance: &mut Instance) -> Result<(), GuestFault> {
        let Self { snapshot, consumer, last_id } = self;
        instance.store.data_mut().connections.inherit_ids(*last_id, 1);
        instance.set_restore_reason(Some(RestoreReason::Hibernation));
        if let Some(module) = snapshot.module.snapshot() {
            instance.load_module(module)?;
        }
        let saved = snapshot.consumers.get(&consumer.id).and_then(Option::as_ref);
        instance.restore(consumer, saved)?;
        instance.set_restore_reason(None);
        Ok(())
    }
}
