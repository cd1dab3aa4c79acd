//! What an instance saves for its successor, and takes over from its predecessor.

use std::sync::Arc;

use super::Instance;
use crate::bindings::exports::narrowboat::consumer::websocket::{SavedParam, SavedResult};
use crate::call::{ConnectionId, Returned};
use crate::outside::Hush;
use crate::saved::{Passenger, Saved};
use narrowboat_core::fault::{GuestFault, one_line};
use narrowboat_core::scope::{RESTARTED, Scope};
use narrowboat_quota::{Bound, Room};

impl Instance {
    /// The consumers, in the order in which they came.
    pub(crate) fn passengers(&self) -> Vec<Passenger> {
        let mut passengers: Vec<_> = self.store.data().joined().map(Passenger::from).collect();
        passengers.sort_unstable_by_key(|passenger| passenger.id);
        passengers
    }

    /// The consumer that has been there for longest.
    pub(crate) fn first_passenger(&self) -> Option<Passenger> {
        self.store.data().joined().min_by_key(|(id, ..)| *id).map(Passenger::from)
    }

    /// The identifiers of the consumers, in no order.
    pub fn consumers(&self) -> Vec<ConnectionId> {
        self.store.data().joined().map(|(id, ..)| id).collect()
    }

    /// Goes on where the instance stood whose connections this one takes over.
    pub(crate) fn succeed(&mut self, old: &Self) {
        let old = old.store.data();
        self.store.data_mut().succeed(old.last_id(), old.links().len());
    }

    /// Has a consumer saved. What it asks for meanwhile is discarded.
    pub(crate) fn snapshot(&mut self, id: ConnectionId) -> Result<Saved, GuestFault> {
        let Some(consumer) = self.store.data().consumer(id) else {
            return Err(GuestFault::InstanceGone);
        };
        let before = self.store.data_mut().hush(Some(Hush::Saving));
        let saved = self.timed(|guest, store| guest.consumer().call_snapshot(store, consumer));
        self.store.data_mut().hush(before);
        drop(self.take_effects());
        let saved = saved?.map_err(|text| GuestFault::Error(one_line(&text)))?;
        self.keep(saved)
    }

    /// Takes room for what was saved.
    fn keep(&self, saved: SavedResult) -> Result<Saved, GuestFault> {
        let around = &self.store.data().around;
        let bounded = |bound: Bound| GuestFault::Bounded(bound.name());
        if saved.state.len() > around.limits.snapshot {
            around.allowance.note(Bound::Snapshot);
            return Err(bounded(Bound::Snapshot));
        }
        let room = around.allowance.take(Room::Snapshots, saved.state.len()).map_err(bounded)?;
        Ok(Saved { schema: saved.schema, state: saved.state, _room: room })
    }

    /// Has the module saved. What it asks for meanwhile is discarded.
    pub(crate) fn save_module(&mut self) -> Result<Option<Saved>, GuestFault> {
        let before = self.store.data_mut().hush(Some(Hush::Saving));
        let saved = self.timed(|guest, store| guest.call_save_module(store));
        self.store.data_mut().hush(before);
        drop(self.take_effects());
        let saved = saved?.map_err(|text| GuestFault::Error(one_line(&text)))?;
        saved.map(|saved| self.keep(saved)).transpose()
    }

    /// Gives the module what its predecessor saved.
    pub(crate) fn load_module(&mut self, saved: &Saved) -> Result<(), GuestFault> {
        self.timed(|guest, store| guest.call_load_module(store, saved.lend()))?
            .map_err(|text| GuestFault::Error(one_line(&text)))
    }

    /// Makes a consumer of what its predecessor saved.
    pub(crate) fn restore(
        &mut self,
        Passenger { id, link, scope }: &Passenger,
        saved: &Saved,
    ) -> Result<(), GuestFault> {
        self.store.data_mut().admit(*id, Arc::clone(link), Arc::clone(scope));
        let handle = self.store.data_mut().handle(*id);
        let restored =
            self.timed(|guest, store| guest.consumer().call_restore(store, handle?, saved.lend()));
        match restored {
            Ok(Ok(consumer)) => {
                self.store.data_mut().set_consumer(*id, consumer);
                Ok(())
            }
            Ok(Err(text)) => {
                self.store.data_mut().dismiss(*id);
                Err(GuestFault::Error(one_line(&text)))
            }
            Err(fault) => Err(fault),
        }
    }

    /// Makes a fresh consumer for an open connection, which is told so in its scope.
    pub(crate) fn restart(
        &mut self,
        Passenger { id, link, scope }: &Passenger,
    ) -> Result<(), GuestFault> {
        let mut told = Scope::clone(scope);
        told.attributes.push((RESTARTED.to_owned(), "true".to_owned()));
        self.store.data_mut().admit(*id, Arc::clone(link), Arc::clone(scope));
        match self.connect(*id, &told)? {
            Returned::Accepted(..) => Ok(()),
            _ => Err(GuestFault::Error("it turned the open connection away".to_owned())),
        }
    }
}

impl Saved {
    fn lend(&self) -> SavedParam<'_> {
        SavedParam { schema: self.schema, state: &self.state }
    }
}
