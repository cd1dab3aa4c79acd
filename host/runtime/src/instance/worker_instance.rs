//! A running instance of a version that handles messages of named channels.

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

/// A running instance of a worker, which has no connection. Its owner makes its calls, one at a time.
pub struct WorkerInstance {
    store: GuestStore,
    guest: WorkerConsumer,
}

impl WorkerInstance {
    /// Creates an instance. May take as long as one of its calls, so do not call it from async code.
    ///
    /// # Errors
    /// If its start-up code fails, or the instance pool is exhausted.
    pub fn new(version: Arc<Version>) -> Result<Self, GuestFault> {
        let pool_slots = version.force_reserve_pool_slots();
        let (store, guest) = GuestStore::instantiate(
            version,
            Role::Worker,
            pool_slots,
            None,
            |version, store, exports| version.worker_indices()?.load(store, exports),
        )?;
        Ok(Self { store, guest })
    }

    /// The version that the instance runs.
    pub fn version(&self) -> &Arc<Version> {
        self.store.version()
    }

    /// Whether the instance has failed and can only be dropped.
    pub fn is_dead(&self) -> bool {
        self.store.is_dead()
    }

    /// Brings a message to the guest and returns its effects. May take as long as the plugin's `worker_time`, so do not
    /// call it from async code.
    ///
    /// # Errors
    /// After [`GuestFault::Trap`] and [`GuestFault::TimeLimitExceeded`] the instance is dead, and the call has no
    /// effects.
    pub fn handle(
        &mut self,
        channel: &ChannelName,
        message: &Message,
    ) -> (Result<(), GuestFault>, Vec<Effect>) {
        self.store.version().stats.record_worker_event();
        let guest = self.guest.narrowboat_consumer_worker();
        let reply = self.store.call_with_deadline(|_, store| {
            guest.call_handle(store, channel.as_str(), message.bytes())
        });
        let result = reply
            .and_then(|reply| reply.map_err(|text| GuestFault::Error(sanitize_log_line(&text))));
        let version = self.store.version();
        match &result {
            Ok(Handling::Handled) => {}
            Ok(Handling::UnknownType) => version.record_unknown_message(message.message_type()),
            Err(fault) => version.stats.record_worker_fault(fault),
        }
        (result.map(drop), self.store.take_effects())
    }
}
