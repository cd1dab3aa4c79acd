//! A running instantiation of a version that takes messages of named channels.

use std::sync::Arc;

use super::guest_store::GuestStore;
use crate::bindings::worker_world::WorkerConsumer;
use crate::bindings::worker_world::exports::narrowboat::consumer::worker::Handling;
use crate::effects::Effect;
use crate::version::Version;
use narrowboat_core::component::Role;
use narrowboat_core::fault::{GuestFault, sanitize_log_line};
use narrowboat_core::message::Message;
use narrowboat_core::name::ChannelName;

/// An instance that works without a connection. Whoever owns it makes its calls, one at a time.
pub struct WorkerInstance {
    store: GuestStore,
    guest: WorkerConsumer,
}

impl WorkerInstance {
    /// A new instance. May take as long as one of its calls: not for async threads.
    ///
    /// # Errors
    /// When its start-up code fails, or the pool of instances is exhausted.
    pub fn new(version: Arc<Version>) -> Result<Self, GuestFault> {
        let places = version.force_reserve_pool_slots();
        let (store, guest) = GuestStore::instantiate(
            version,
            Role::Worker,
            places,
            None,
            |version, store, exports| version.worker_indices()?.load(store, exports),
        )?;
        Ok(Self { store, guest })
    }

    /// The version it runs.
    pub fn version(&self) -> &Arc<Version> {
        self.store.version()
    }

    /// Whether it failed, so that it can only be dropped.
    pub fn is_dead(&self) -> bool {
        self.store.is_dead()
    }

    /// Takes a message into the guest, and gives back what it asks for. May take as long as the
    /// plugin's `worker_time`: not for async threads.
    ///
    /// # Errors
    /// After [`GuestFault::Trap`] and [`GuestFault::OutOfTime`] the instance is dead; nothing of the
    /// call has happened.
    pub fn handle(
        &mut self,
        channel: &ChannelName,
        message: &Message,
    ) -> (Result<(), GuestFault>, Vec<Effect>) {
        self.store.version().stats.record_worker_event();
        let guest = self.guest.narrowboat_consumer_worker();
        let called = self.store.call_with_deadline(|_, store| {
            guest.call_handle(store, channel.as_str(), message.bytes())
        });
        let answer = called
            .and_then(|answer| answer.map_err(|text| GuestFault::Error(sanitize_log_line(&text))));
        let version = self.store.version();
        match &answer {
            Ok(Handling::Handled) => {}
            Ok(Handling::UnknownType) => version.record_unknown_message(message.message_type()),
            Err(fault) => version.stats.record_worker_fault(fault),
        }
        (answer.map(drop), self.store.take_effects())
    }
}
