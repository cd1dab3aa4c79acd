//! A running instance of a version, with its consumers.

use std::sync::Arc;

use wasmtime::Store;
use wasmtime::component::ResourceAny;

use super::checkpoint_schedule::CheckpointSchedule;
use super::guest_store::GuestStore;
use super::instance_mark::{InstanceMark, next_instance_number};
use super::wit_conversions::with_guest_scope;
use crate::bindings::WebsocketConsumer;
use crate::bindings::alarm_world::exports::narrowboat::consumer::alarms::Guest as AlarmGuest;
use crate::bindings::batching_world::exports::narrowboat::consumer::batches::Guest as BatchGuest;
use crate::bindings::exports::narrowboat::consumer::websocket::{
    Closure as GuestCloseFrame, Decision, Error as GuestError, Guest, Refusal,
};
use crate::bindings::narrowboat::consumer::types::ClientError;
use crate::call::{Call, ConnectionId, GuestReply};
use crate::effects::Effect;
use crate::store::{GuestState, SuppressReason};
use crate::version::Version;
use narrowboat_core::close_frame::CloseFrame;
use narrowboat_core::component::Role;
use narrowboat_core::fault::{Fault, GuestFault, sanitize_log_line};
use narrowboat_core::manifest::TrapPolicy;
use narrowboat_core::scope::Scope;
use narrowboat_quota::Reservation;
use narrowboat_websocket::connection::ConnectionHandle;

/// A running instance with its consumers. Its owner makes its calls, one at a time.
pub struct Instance {
    pub(super) store: GuestStore,
    guest: WebsocketConsumer,
    /// The export for several events in one call, if the guest has it.
    pub(super) batches: Option<BatchGuest>,
    /// The export for the alarms of rooms, if the guest has it.
    pub(super) alarms: Option<AlarmGuest>,
    /// The checkpoints, if consumers survive a trap.
    pub(super) checkpoints: Option<Box<CheckpointSchedule>>,
    /// Differs from that of each other instance of the process, except from one that has trapped and whose state this one has.
    pub(super) number: u64,
    /// Whether it has ever had a consumer or handled an alarm.
    pub(super) may_have_state: bool,
    /// Events that the instance has handled.
    pub(super) event_count: u64,
    /// Whether the instance is a trial, which is dropped in any case and serves no connection.
    is_trial: bool,
    /// Whether the instance died while it was saved.
    pub(super) has_died_saving: bool,
    /// Whether the guest's last answer to `save-module` had the state of the consumers too.
    pub(super) saves_consumers_with_module: bool,
}

impl Instance {
    /// Creates an instance without consumers, in the pool slots that are reserved for it.
    ///
    /// # Errors
    /// If its start-up code fails, or the instance pool is exhausted.
    pub fn new(version: Arc<Version>, pool_slots: Reservation) -> Result<Self, GuestFault> {
        Self::instantiate(version, pool_slots, None)
    }

    /// Creates an instance for the consumers of another instance, even beyond the quota of instances.
    ///
    /// # Errors
    /// As [`Instance::new`].
    pub(crate) fn new_successor(version: Arc<Version>) -> Result<Self, GuestFault> {
        let pool_slots = version.force_reserve_pool_slots();
        Self::instantiate(version, pool_slots, None)
    }

    /// Creates an instance for a trial, which has no effects and changes nothing beyond the host.
    ///
    /// # Errors
    /// As [`Instance::new`].
    pub(crate) fn new_trial(version: Arc<Version>) -> Result<Self, GuestFault> {
        let pool_slots = version.force_reserve_pool_slots();
        Self::instantiate(version, pool_slots, Some(SuppressReason::Trial))
    }

    fn instantiate(
        version: Arc<Version>,
        pool_slots: Reservation,
        suppressed: Option<SuppressReason>,
    ) -> Result<Self, GuestFault> {
        let (store, guest) = GuestStore::instantiate(
            version,
            Role::Consumer,
            pool_slots,
            suppressed,
            |version, store, exports| {
                let guest = version.consumer_indices()?.load(&mut *store, exports)?;
                let batches = version.batch_indices();
                let batches = batches.map(|indices| indices.load(&mut *store, exports));
                let alarms = version.alarm_indices();
                let alarms = alarms.map(|indices| indices.load(&mut *store, exports));
                Ok((guest, batches.transpose()?, alarms.transpose()?))
            },
        )?;
        let is_trial = suppressed == Some(SuppressReason::Trial);
        let checkpoints = match store.version().ctx.on_trap {
            TrapPolicy::Restart(rule) if !is_trial => Some(Box::new(CheckpointSchedule::new(rule))),
            TrapPolicy::Restart(_) | TrapPolicy::Close => None,
        };
        let (guest, batches, alarms) = guest;
        Ok(Self {
            store,
            guest,
            batches,
            alarms,
            checkpoints,
            number: next_instance_number(),
            may_have_state: false,
            event_count: 0,
            is_trial,
            has_died_saving: false,
            saves_consumers_with_module: false,
        })
    }

    /// The version that the instance runs.
    pub fn version(&self) -> &Arc<Version> {
        self.store.version()
    }

    /// Whether the guest has ever accepted a connection, been given a consumer of another instance, or handled an alarm.
    pub fn may_have_state(&self) -> bool {
        self.may_have_state
    }

    /// The instance and its number of events. The state of the guest changes only with it.
    pub fn mark(&self) -> InstanceMark {
        InstanceMark::new(self.number, self.event_count)
    }

    /// Events that the instance has handled.
    pub fn event_count(&self) -> u64 {
        self.event_count
    }

    /// Counts events as the next ones of `old`, whose state after `event_count` events this instance has.
    pub(crate) fn continue_events_of(&mut self, old: &Self, event_count: u64) {
        (self.number, self.event_count) = (old.number, event_count);
    }

    /// Bytes of its linear memory.
    pub fn memory_bytes(&self) -> u64 {
        self.store.data().limiter.memory_used() as u64
    }

    /// Whether the instance has failed and can only be dropped.
    pub fn is_dead(&self) -> bool {
        self.store.is_dead()
    }

    /// Brings one event to the guest, or several of one consumer, of which those that have ended are removed.
    ///
    /// # Errors
    /// After [`GuestFault::Trap`] and [`GuestFault::TimeLimitExceeded`] the instance is dead, and the effects of the
    /// event are lost.
    pub fn call(&mut self, call: &mut Call) -> Result<GuestReply, GuestFault> {
        if !self.ends_with(call) {
            self.keep_checkpoint()?;
        }
        match call {
            Call::ReceiveMany(id, frames) => self.receive_many(*id, frames),
            call => self.call_once(call).0,
        }
    }

    /// Brings one event to the guest. Returns the result, and whether the guest has violated the contract in a way that
    /// does not end the call.
    pub(super) fn call_once(&mut self, call: &Call) -> (Result<GuestReply, GuestFault>, bool) {
        if !call.ends_consumer() {
            self.store.version().stats.record_events(1);
        }
        let result = self.dispatch(call);
        // A call that killed the instance has had no effects, so it does not count.
        self.event_count += u64::from(!self.store.is_dead());
        let violation = self.store.data_mut().take_contract_violation();
        let has_violated = violation.is_some();
        self.count_client(call, &result, violation.as_ref());
        if matches!(result, Ok(GuestReply::UnknownType)) {
            self.record_unknown_type(call);
        }
        self.record_result(&result, violation);
        (result, has_violated)
    }

    fn dispatch(&mut self, call: &Call) -> Result<GuestReply, GuestFault> {
        let connections = &mut self.store.data_mut().connections;
        if let Some(id) = call.consumer() {
            connections.set_current(id);
        }
        match call {
            Call::Connect { connection, scope } => {
                let id = connections.next_id();
                connections.insert(id, Arc::clone(connection), Arc::clone(scope));
                self.connect(id, scope)
            }
            Call::Receive(id, frame) => self.call_consumer(*id, |guest, store, consumer| {
                guest.consumer().call_receive(store, consumer, frame.into()).map(into_done)
            }),
            Call::Handle(id, message) => self.call_consumer(*id, |guest, store, consumer| {
                let handled = guest.consumer().call_handle(store, consumer, message.bytes());
                handled.map(|handled| handled.map(GuestReply::from))
            }),
            Call::Timer(id, timer) => self.call_consumer(*id, |guest, store, consumer| {
                guest.consumer().call_timer(store, consumer, *timer).map(into_done)
            }),
            // `call` brings each of these frames in a call of its own, or all in one.
            Call::ReceiveMany(..) => Ok(GuestReply::Done),
            Call::Disconnect(id, close_frame) => self.disconnect(*id, close_frame),
            Call::Discard(id) => self.discard(*id),
        }
    }

    /// Takes the effects of the last call. There are none in a room that this host no longer owns.
    pub fn take_effects(&mut self) -> Vec<Effect> {
        let effects = self.store.take_effects();
        if self.is_room_owned() { effects } else { Vec::new() }
    }

    /// The connections of the instance.
    pub fn connections(&self) -> impl Iterator<Item = &Arc<ConnectionHandle>> {
        self.store.data().connections.iter()
    }

    /// Asks the guest to accept or reject a connection that is in the table already.
    pub(super) fn connect(
        &mut self,
        id: ConnectionId,
        scope: &Scope,
    ) -> Result<GuestReply, GuestFault> {
        let connections = &mut self.store.data_mut().connections;
        connections.set_current(id);
        let handle = connections.new_handle(id);
        let reply = self.call_with_deadline(|guest, store| {
            with_guest_scope(scope, |scope| guest.consumer().call_connect(store, scope, handle?))
        })?;
        let connections = &mut self.store.data_mut().connections;
        match reply {
            Ok((consumer, decision)) => {
                connections.set_consumer(id, consumer);
                self.may_have_state = true;
                Ok(match decision {
                    Decision::Accept(acceptance) => GuestReply::Accepted(id, acceptance.into()),
                    Decision::Later => {
                        connections.set_undecided(id, true);
                        GuestReply::DecidesLater(id)
                    }
                })
            }
            Err(refusal) => {
                connections.remove(id);
                match refusal {
                    Refusal::Rejection(rejection) => Ok(GuestReply::Rejected(rejection.into())),
                    Refusal::Plugin(text) => Err(GuestFault::Error(sanitize_log_line(&text))),
                }
            }
        }
    }

    fn call_consumer(
        &mut self,
        id: ConnectionId,
        call: impl FnOnce(
            &Guest,
            &mut Store<GuestState>,
            ResourceAny,
        ) -> wasmtime::Result<Result<GuestReply, GuestError>>,
    ) -> Result<GuestReply, GuestFault> {
        let Some(consumer) = self.store.data().connections.consumer(id) else {
            return Err(GuestFault::InstanceLost);
        };
        let result = self.call_with_deadline(|guest, store| call(guest, store, consumer))?;
        self.convert_result(id, result)
    }

    /// Converts the result of the last event, which was for this consumer.
    pub(super) fn convert_result(
        &self,
        id: ConnectionId,
        result: Result<GuestReply, GuestError>,
    ) -> Result<GuestReply, GuestFault> {
        match result {
            Ok(reply) => Ok(reply),
            // A client that leaves or does not read must not cause faults of the plugin.
            Err(GuestError::Plugin(text)) if self.store.data().connections.was_send_refused(id) => {
                Ok(GuestReply::ErrorAfterRefusedSend(sanitize_log_line(&text)))
            }
            Err(GuestError::Plugin(text)) => Err(GuestFault::Error(sanitize_log_line(&text))),
            Err(GuestError::Client(error)) => check_client_error(error),
        }
    }

    fn disconnect(
        &mut self,
        id: ConnectionId,
        close_frame: &CloseFrame,
    ) -> Result<GuestReply, GuestFault> {
        let Some(consumer) = self.store.data().connections.consumer(id) else {
            return Err(GuestFault::InstanceLost);
        };
        let close_frame = GuestCloseFrame { code: close_frame.code, reason: &close_frame.reason };
        self.call_with_deadline(|guest, store| {
            guest.consumer().call_disconnect(store, consumer, close_frame)
        })?;
        self.discard(id)
    }

    /// Removes a connection, and drops its consumer.
    fn discard(&mut self, id: ConnectionId) -> Result<GuestReply, GuestFault> {
        let removed = self.store.data_mut().connections.remove(id);
        let consumer = removed.ok_or(GuestFault::InstanceLost)?;
        self.drop_consumer(consumer)?;
        Ok(GuestReply::Done)
    }

    /// Runs the guest's destructor of a consumer.
    fn drop_consumer(&mut self, consumer: ResourceAny) -> Result<(), GuestFault> {
        self.call_with_deadline(|_, store| consumer.resource_drop(store))
    }

    /// Calls the guest within its time limit.
    pub(super) fn call_with_deadline<R>(
        &mut self,
        call: impl FnOnce(&Guest, &mut Store<GuestState>) -> wasmtime::Result<R>,
    ) -> Result<R, GuestFault> {
        let guest = self.guest.narrowboat_consumer_websocket();
        self.store.call_with_deadline(|_, store| call(guest, store))
    }
}

impl Drop for Instance {
    /// Fails the connections if a panic of the host drops the instance: their owner is gone.
    fn drop(&mut self) {
        if std::thread::panicking() && !self.is_trial {
            for connection in self.connections() {
                connection.outbound.fail(Fault::Guest(GuestFault::InstanceLost));
            }
        }
    }
}

fn into_done(result: Result<(), GuestError>) -> Result<GuestReply, GuestError> {
    result.map(|()| GuestReply::Done)
}

/// Checks the close code and reason with which a guest blames its client.
fn check_client_error(error: ClientError) -> Result<GuestReply, GuestFault> {
    let ClientError { code, reason } = error;
    if CloseFrame::is_allowed_for_client_error(code, &reason) {
        return Ok(GuestReply::ClientError(CloseFrame::new(code, reason)));
    }
    let shortened = CloseFrame::new(code, reason).reason;
    Err(GuestFault::ContractViolation(sanitize_log_line(&format!(
        "blamed its client with {code}, {shortened:?}: the code must be 1007 or 4000 to 4999, and the reason at most 123 \
         bytes long"
    ))))
}
