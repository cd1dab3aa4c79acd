//! Saves the state of an instance for its successor, and restores the state of its predecessor.

use std::sync::Arc;

use super::consumer_instance::Instance;
use super::snapshot::{ConsumerState, GuestSnapshot, MigratingConsumer, ModuleState};
use crate::bindings::exports::narrowboat::consumer::websocket::{
    ConsumerState as GuestConsumerState, Guest, ModuleState as GuestModuleState, SaveMode,
    SavedParam, SavedResult,
};
use crate::call::{ConnectionId, GuestReply};
use crate::effects::Effect;
use crate::store::{GuestState, SuppressReason};
use narrowboat_core::fault::{GuestFault, sanitize_log_line};
use narrowboat_core::scope::{RESTARTED_ATTRIBUTE, Scope};
use narrowboat_quota::{LimitKind, QuotaResource};
use wasmtime::Store;

impl Instance {
    /// The consumers, in the order in which they connected.
    pub(crate) fn migrating_consumers(&self) -> Vec<MigratingConsumer> {
        let consumers = self.store.data().connections.with_consumer();
        let mut consumers: Vec<_> = consumers.map(MigratingConsumer::from).collect();
        consumers.sort_unstable_by_key(|consumer| consumer.id);
        consumers
    }

    /// The consumer that connected first.
    pub(crate) fn first_migrating_consumer(&self) -> Option<MigratingConsumer> {
        let consumers = self.store.data().connections.with_consumer();
        consumers.min_by_key(|(id, ..)| *id).map(MigratingConsumer::from)
    }

    /// The identifiers of the consumers, in no order.
    pub fn consumer_ids(&self) -> Vec<ConnectionId> {
        self.store.data().connections.with_consumer().map(|(id, ..)| id).collect()
    }

    /// Continues the identifiers of an instance whose connections and room this one takes over.
    pub(crate) fn inherit_ids_from(&mut self, old: &Self) {
        if let Some(room) = old.room() {
            self.enter_room(Arc::clone(room));
        }
        self.may_have_state |= old.may_have_state;
        let old = &old.store.data().connections;
        self.store.data_mut().connections.inherit_ids(old.last_id(), old.iter().len());
    }

    /// Saves a consumer. Drops the effects of the call.
    pub(crate) fn snapshot(
        &mut self,
        id: ConnectionId,
        mode: SaveMode,
    ) -> Result<ConsumerState, GuestFault> {
        let Some(consumer) = self.store.data().connections.consumer(id) else {
            return Err(GuestFault::InstanceLost);
        };
        let state = self.call_suppressed(|guest, store| {
            guest.consumer().call_snapshot(store, consumer, mode)
        })?;
        match state {
            GuestConsumerState::Saved(saved) => {
                self.reserve_snapshot(saved).map(ConsumerState::Saved)
            }
            GuestConsumerState::Busy => check_may_be_busy(mode).map(|()| ConsumerState::Busy),
        }
    }

    /// Saves the module's state. Drops the effects of the call.
    pub(crate) fn save_module(&mut self, mode: SaveMode) -> Result<ModuleState, GuestFault> {
        let state = self.call_suppressed(|guest, store| guest.call_save_module(store, mode))?;
        self.saves_consumers_with_module = matches!(state, GuestModuleState::WithConsumers(_));
        match state {
            GuestModuleState::None => Ok(ModuleState::None),
            GuestModuleState::Shared(saved) => {
                self.reserve_snapshot(saved).map(ModuleState::Shared)
            }
            GuestModuleState::WithConsumers(saved) => {
                self.reserve_snapshot(saved).map(ModuleState::WithConsumers)
            }
            GuestModuleState::Busy => check_may_be_busy(mode).map(|()| ModuleState::Busy),
        }
    }

    /// Whether the guest's last answer to `save-module` had the state of the consumers too.
    pub(crate) fn saves_consumers_with_module(&self) -> bool {
        self.saves_consumers_with_module
    }

    /// Makes a call that has no effects and changes nothing beyond the host.
    fn call_suppressed<R>(
        &mut self,
        call: impl FnOnce(&Guest, &mut Store<GuestState>) -> wasmtime::Result<Result<R, String>>,
    ) -> Result<R, GuestFault> {
        let reason = Some(SuppressReason::Snapshot);
        let before = std::mem::replace(&mut self.store.data_mut().suppressed, reason);
        let result = self.call_with_deadline(call);
        self.store.data_mut().suppressed = before;
        drop(self.take_effects());
        result?.map_err(|text| GuestFault::Error(sanitize_log_line(&text)))
    }

    /// Reserves memory of the host for a snapshot.
    fn reserve_snapshot(&self, saved: SavedResult) -> Result<GuestSnapshot, GuestFault> {
        let ctx = &self.store.data().ctx;
        let quota_error = |limit: LimitKind| GuestFault::QuotaExceeded(limit.name());
        if saved.state.len() > ctx.limits.snapshot {
            ctx.quota.record_limit_hit(LimitKind::Snapshot);
            return Err(quota_error(LimitKind::Snapshot));
        }
        let reservation = ctx
            .quota
            .try_reserve(QuotaResource::SnapshotBytes, saved.state.len())
            .map_err(quota_error)?;
        Ok(GuestSnapshot { schema: saved.schema, state: saved.state, _reservation: reservation })
    }

    /// Loads the module's state that the predecessor saved.
    pub(crate) fn load_module(&mut self, saved: &GuestSnapshot) -> Result<(), GuestFault> {
        self.call_with_deadline(|guest, store| guest.call_load_module(store, saved.as_param()))?
            .map_err(|text| GuestFault::Error(sanitize_log_line(&text)))
    }

    /// Creates a consumer from the state that its predecessor saved. `saved` is `None` if the module's state has it.
    pub(crate) fn restore(
        &mut self,
        consumer: &MigratingConsumer,
        saved: Option<&GuestSnapshot>,
    ) -> Result<(), GuestFault> {
        self.restore_param(consumer, saved.map(GuestSnapshot::as_param))
    }

    /// The same from a state in any form.
    pub(super) fn restore_param(
        &mut self,
        MigratingConsumer { id, connection, scope }: &MigratingConsumer,
        saved: Option<SavedParam<'_>>,
    ) -> Result<(), GuestFault> {
        let connections = &mut self.store.data_mut().connections;
        connections.insert(*id, Arc::clone(connection), Arc::clone(scope));
        let handle = connections.new_handle(*id);
        let restored = self.call_with_deadline(|guest, store| {
            guest.consumer().call_restore(store, handle?, saved)
        })?;
        match restored {
            Ok(consumer) => {
                let connections = &mut self.store.data_mut().connections;
                connections.set_consumer(*id, consumer);
                connections.set_undecided(*id, connection.outbound.is_undecided());
                self.may_have_state = true;
                Ok(())
            }
            Err(text) => {
                self.store.data_mut().connections.remove(*id);
                Err(GuestFault::Error(sanitize_log_line(&text)))
            }
        }
    }

    /// Creates a fresh consumer for a connection. An attribute of its scope tells the guest about the restart. The
    /// handshake of the connection may still be undecided: then the decision of the fresh consumer counts.
    pub(crate) fn restart_consumer(
        &mut self,
        MigratingConsumer { id, connection, scope }: &MigratingConsumer,
    ) -> Result<(), GuestFault> {
        let mut restart_scope = Scope::clone(scope);
        restart_scope.attributes.push((RESTARTED_ATTRIBUTE.to_owned(), "true".to_owned()));
        let connections = &mut self.store.data_mut().connections;
        connections.insert(*id, Arc::clone(connection), Arc::clone(scope));
        let reply = self.connect(*id, &restart_scope)?;
        let connection = Arc::clone(connection);
        let effects = &mut self.store.data_mut().effects;
        match reply {
            GuestReply::Accepted(_, acceptance) => {
                effects.append(Effect::Accept(connection, acceptance));
                Ok(())
            }
            GuestReply::DecidesLater(_) => {
                effects.prepend(Effect::ReopenHandshake(connection));
                Ok(())
            }
            _ => Err(GuestFault::Error("connect rejected the open connection".to_owned())),
        }
    }
}

/// Refuses the answer `busy` in a mode that does not allow it.
fn check_may_be_busy(mode: SaveMode) -> Result<(), GuestFault> {
    match mode {
        SaveMode::Move => Ok(()),
        SaveMode::Trial | SaveMode::ForcedMove => Err(GuestFault::ContractViolation(format!(
            "answered `busy` to a request for its state in the mode {mode:?}: only the mode `move` allows that"
        ))),
    }
}

impl GuestSnapshot {
    fn as_param(&self) -> SavedParam<'_> {
        SavedParam { schema: self.schema, state: &self.state }
    }
}
