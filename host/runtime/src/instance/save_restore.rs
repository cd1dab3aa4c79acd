//! What an instance saves for its successor, and takes over from its predecessor.

use std::sync::Arc;

use super::consumer_instance::Instance;
use super::snapshot::{GuestSnapshot, MigratingConsumer};
use crate::bindings::exports::narrowboat::consumer::websocket::{SavedParam, SavedResult};
use crate::call::{ConnectionId, GuestReply};
use crate::store::SuppressReason;
use narrowboat_core::fault::{GuestFault, sanitize_log_line};
use narrowboat_core::scope::{RESTARTED_ATTRIBUTE, Scope};
use narrowboat_quota::{LimitKind, QuotaResource};

impl Instance {
    /// The consumers, in the order in which they came.
    pub(crate) fn migrating_consumers(&self) -> Vec<MigratingConsumer> {
        let mut passengers: Vec<_> =
            self.store.data().connections.with_consumer().map(MigratingConsumer::from).collect();
        passengers.sort_unstable_by_key(|passenger| passenger.id);
        passengers
    }

    /// The consumer that has been there for longest.
    pub(crate) fn first_migrating_consumer(&self) -> Option<MigratingConsumer> {
        self.store
            .data()
            .connections
            .with_consumer()
            .min_by_key(|(id, ..)| *id)
            .map(MigratingConsumer::from)
    }

    /// The identifiers of the consumers, in no order.
    pub fn consumer_ids(&self) -> Vec<ConnectionId> {
        self.store.data().connections.with_consumer().map(|(id, ..)| id).collect()
    }

    /// Goes on where the instance stood whose connections this one takes over.
    pub(crate) fn inherit_ids_from(&mut self, old: &Self) {
        let old = old.store.data();
        self.store
            .data_mut()
            .connections
            .inherit_ids(old.connections.last_id(), old.connections.iter().len());
    }

    /// Has a consumer saved. What it asks for meanwhile is discarded.
    pub(crate) fn snapshot(&mut self, id: ConnectionId) -> Result<GuestSnapshot, GuestFault> {
        let Some(consumer) = self.store.data().connections.consumer(id) else {
            return Err(GuestFault::SharedInstanceFailed);
        };
        let before = self.store.data_mut().replace_suppress_reason(Some(SuppressReason::Snapshot));
        let saved =
            self.call_with_deadline(|guest, store| guest.consumer().call_snapshot(store, consumer));
        self.store.data_mut().replace_suppress_reason(before);
        drop(self.take_effects());
        let saved = saved?.map_err(|text| GuestFault::Error(sanitize_log_line(&text)))?;
        self.reserve_snapshot(saved)
    }

    /// Takes room for what was saved.
    fn reserve_snapshot(&self, saved: SavedResult) -> Result<GuestSnapshot, GuestFault> {
        let around = &self.store.data().ctx;
        let bounded = |bound: LimitKind| GuestFault::QuotaExceeded(bound.name());
        if saved.state.len() > around.limits.snapshot {
            around.quota.record_limit_hit(LimitKind::Snapshot);
            return Err(bounded(LimitKind::Snapshot));
        }
        let room = around
            .quota
            .try_reserve(QuotaResource::SnapshotBytes, saved.state.len())
            .map_err(bounded)?;
        Ok(GuestSnapshot { schema: saved.schema, state: saved.state, _reservation: room })
    }

    /// Has the module saved. What it asks for meanwhile is discarded.
    pub(crate) fn save_module(&mut self) -> Result<Option<GuestSnapshot>, GuestFault> {
        let before = self.store.data_mut().replace_suppress_reason(Some(SuppressReason::Snapshot));
        let saved = self.call_with_deadline(|guest, store| guest.call_save_module(store));
        self.store.data_mut().replace_suppress_reason(before);
        drop(self.take_effects());
        let saved = saved?.map_err(|text| GuestFault::Error(sanitize_log_line(&text)))?;
        saved.map(|saved| self.reserve_snapshot(saved)).transpose()
    }

    /// Gives the module what its predecessor saved.
    pub(crate) fn load_module(&mut self, saved: &GuestSnapshot) -> Result<(), GuestFault> {
        self.call_with_deadline(|guest, store| guest.call_load_module(store, saved.as_param()))?
            .map_err(|text| GuestFault::Error(sanitize_log_line(&text)))
    }

    /// Makes a consumer of what its predecessor saved.
    pub(crate) fn restore(
        &mut self,
        MigratingConsumer { id, connection: link, scope }: &MigratingConsumer,
        saved: &GuestSnapshot,
    ) -> Result<(), GuestFault> {
        self.store.data_mut().connections.insert(*id, Arc::clone(link), Arc::clone(scope));
        let handle = self.store.data_mut().connections.new_handle(*id);
        let restored = self.call_with_deadline(|guest, store| {
            guest.consumer().call_restore(store, handle?, saved.as_param())
        });
        match restored {
            Ok(Ok(consumer)) => {
                self.store.data_mut().connections.set_consumer(*id, consumer);
                Ok(())
            }
            Ok(Err(text)) => {
                self.store.data_mut().connections.remove(*id);
                Err(GuestFault::Error(sanitize_log_line(&text)))
            }
            Err(fault) => Err(fault),
        }
    }

    /// Makes a fresh consumer for an open connection, which is told so in its scope.
    pub(crate) fn restart_consumer(
        &mut self,
        MigratingConsumer { id, connection: link, scope }: &MigratingConsumer,
    ) -> Result<(), GuestFault> {
        let mut told = Scope::clone(scope);
        told.attributes.push((RESTARTED_ATTRIBUTE.to_owned(), "true".to_owned()));
        self.store.data_mut().connections.insert(*id, Arc::clone(link), Arc::clone(scope));
        match self.connect(*id, &told)? {
            GuestReply::Accepted(..) => Ok(()),
            _ => Err(GuestFault::Error("it turned the open connection away".to_owned())),
        }
    }
}

impl GuestSnapshot {
    fn as_param(&self) -> SavedParam<'_> {
        SavedParam { schema: self.schema, state: &self.state }
    }
}
