//! A running instantiation of a version, with the consumers that live in it.

use std::sync::Arc;

use bytes::Bytes;
use wasmtime::Store;
use wasmtime::component::ResourceAny;

use super::guest_store::GuestStore;
use crate::bindings::WebsocketConsumer;
use crate::bindings::exports::narrowboat::consumer::websocket::{
    Acceptance as GuestAcceptance, Closure as GuestClosure, Error as GuestError,
    Frame as GuestFrame, Guest, Handling, Refusal, Rejection as GuestRejection,
    Scope as GuestScope,
};
use crate::bindings::narrowboat::consumer::types::ClientError;
use crate::call::{Call, ConnectionId, GuestReply};
use crate::effects::Effect;
use crate::store::GuestState;
use crate::store::SuppressReason;
use crate::version::Version;
use narrowboat_core::close_frame::CloseFrame;
use narrowboat_core::component::Role;
use narrowboat_core::fault::{Fault, GuestFault, sanitize_log_line};
use narrowboat_core::frame::Frame;
use narrowboat_core::handshake_response::{Acceptance, Rejection};
use narrowboat_core::scope::{Headers, Scope};
use narrowboat_quota::Reservation;
use narrowboat_websocket::connection::ConnectionHandle;

/// An instance. Whoever owns it makes its calls, one at a time.
pub struct Instance {
    pub(super) store: GuestStore,
    guest: WebsocketConsumer,
    /// Events it has been given.
    event_count: u64,
    /// It is thrown away, whatever becomes of it, and nobody lives in it.
    is_trial: bool,
}

impl Instance {
    /// A new instance with no consumers, in the places that were taken for it.
    ///
    /// # Errors
    /// When its start-up code fails, or the pool of instances is exhausted.
    pub fn new(version: Arc<Version>, places: Reservation) -> Result<Self, GuestFault> {
        Self::instantiate(version, places, None)
    }

    /// A new instance for the consumers of another, which counts whether or not there may be more.
    ///
    /// # Errors
    /// As [`Instance::new`].
    pub(crate) fn new_successor(version: Arc<Version>) -> Result<Self, GuestFault> {
        let places = version.force_reserve_pool_slots();
        Self::instantiate(version, places, None)
    }

    /// An instance to be thrown away: what it does has no effects, and changes nothing beyond the host.
    ///
    /// # Errors
    /// As [`Instance::new`].
    pub(crate) fn new_trial(version: Arc<Version>) -> Result<Self, GuestFault> {
        let places = version.force_reserve_pool_slots();
        Self::instantiate(version, places, Some(SuppressReason::Trial))
    }

    fn instantiate(
        version: Arc<Version>,
        places: Reservation,
        hush: Option<SuppressReason>,
    ) -> Result<Self, GuestFault> {
        let (store, guest) = GuestStore::instantiate(
            version,
            Role::Consumer,
            places,
            hush,
            |version, store, exports| version.consumer_indices()?.load(store, exports),
        )?;
        Ok(Self { store, guest, event_count: 0, is_trial: hush == Some(SuppressReason::Trial) })
    }

    /// The version it runs.
    pub fn version(&self) -> &Arc<Version> {
        self.store.version()
    }

    /// Events it has been given.
    pub fn event_count(&self) -> u64 {
        self.event_count
    }

    /// Whether it failed, so that it can only be dropped.
    pub fn is_dead(&self) -> bool {
        self.store.is_dead()
    }

    /// Takes one event into the guest.
    ///
    /// # Errors
    /// After [`GuestFault::Trap`] and [`GuestFault::OutOfTime`] the instance is dead; what the call
    /// asked for is gone.
    pub fn call(&mut self, call: &Call) -> Result<GuestReply, GuestFault> {
        if !matches!(call, Call::Disconnect(..)) {
            self.store.version().stats.record_event();
        }
        let result = self.dispatch(call);
        // Of a call that killed the instance nothing has happened.
        self.event_count += u64::from(!self.store.is_dead());
        let breach = self.store.data_mut().take_contract_violation();
        self.count_client(call, &result, breach.as_ref());
        self.record_result(call, &result, breach);
        result
    }

    /// Counts whom a call was for, while its version is watched.
    fn count_client(
        &mut self,
        call: &Call,
        result: &Result<GuestReply, GuestFault>,
        breach: Option<&GuestFault>,
    ) {
        let clients = self.store.version().stats.clients();
        let is_event = !matches!(call, Call::Disconnect(..))
            && !matches!(result, Err(GuestFault::SharedInstanceFailed));
        if !is_event || !clients.is_tracking() {
            return;
        }
        let clients = Arc::clone(clients);
        let has_failed = result.is_err() || breach.is_some();
        let is_accepted = matches!(result, Ok(GuestReply::Accepted(..)));
        match call {
            // It has left the instance again.
            Call::Connect { scope, .. } if !is_accepted => {
                clients.record_rejected(scope.client.ip(), has_failed);
            }
            _ => self.store.data_mut().connections.count_client(&clients, is_accepted, has_failed),
        }
    }

    /// Counts what came of a call.
    fn record_result(
        &self,
        call: &Call,
        result: &Result<GuestReply, GuestFault>,
        breach: Option<GuestFault>,
    ) {
        let version = self.store.version();
        match result {
            Err(GuestFault::SharedInstanceFailed) => {}
            Err(fault) => version.stats.record_fault(fault),
            Ok(GuestReply::ClientError(_) | GuestReply::ErrorAfterRefusedSend(_)) => {
                version.stats.record_client_error()
            }
            Ok(GuestReply::UnknownType) => {
                if let Call::Handle(_, message) = call {
                    version.record_unknown_message(message.message_type());
                }
            }
            Ok(_) => {}
        }
        if let (Ok(_), Some(fault)) = (result, breach) {
            version.stats.record_fault(&fault);
        }
    }

    fn dispatch(&mut self, call: &Call) -> Result<GuestReply, GuestFault> {
        if let Some(id) = call.consumer() {
            self.store.data_mut().connections.set_current(id);
        }
        match call {
            Call::Connect { connection: link, scope } => {
                let id = self.store.data_mut().connections.next_id();
                self.store.data_mut().connections.insert(id, Arc::clone(link), Arc::clone(scope));
                self.connect(id, scope)
            }
            Call::Receive(id, frame) => self.call_consumer(*id, |guest, store, consumer| {
                let frame = match frame {
                    Frame::Text(text) => GuestFrame::Text(text),
                    Frame::Binary(bytes) => GuestFrame::Binary(bytes),
                };
                guest.consumer().call_receive(store, consumer, frame).map(into_done)
            }),
            Call::Handle(id, message) => self.call_consumer(*id, |guest, store, consumer| {
                let handled = guest.consumer().call_handle(store, consumer, message.bytes());
                handled.map(|handled| handled.map(GuestReply::from))
            }),
            Call::Timer(id, timer) => self.call_consumer(*id, |guest, store, consumer| {
                guest.consumer().call_timer(store, consumer, *timer).map(into_done)
            }),
            Call::Disconnect(id, closure) => self.disconnect(*id, closure),
        }
    }

    /// Takes what the last call asked for.
    pub fn take_effects(&mut self) -> Vec<Effect> {
        self.store.take_effects()
    }

    /// The connections that live in it.
    pub fn connections(&self) -> impl Iterator<Item = &Arc<ConnectionHandle>> {
        self.store.data().connections.iter()
    }

    /// Has an admitted connection accepted or turned away.
    pub(super) fn connect(
        &mut self,
        id: ConnectionId,
        scope: &Scope,
    ) -> Result<GuestReply, GuestFault> {
        self.store.data_mut().connections.set_current(id);
        let handle = self.store.data_mut().connections.new_handle(id);
        let answer = self.call_with_deadline(|guest, store| {
            with_guest_scope(scope, |scope| guest.consumer().call_connect(store, scope, handle?))
        })?;
        if self.store.data().connections.is_closing(id) {
            if let Ok((consumer, _)) = answer {
                self.drop_consumer(consumer)?;
            }
            self.store.data_mut().connections.remove(id);
            return Ok(GuestReply::Rejected(Rejection::plain_text(403, "")));
        }
        match answer {
            Ok((consumer, acceptance)) => {
                self.store.data_mut().connections.set_consumer(id, consumer);
                Ok(GuestReply::Accepted(id, acceptance.into()))
            }
            Err(refusal) => {
                self.store.data_mut().connections.remove(id);
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
            return Err(GuestFault::SharedInstanceFailed);
        };
        match self.call_with_deadline(|guest, store| call(guest, store, consumer))? {
            Ok(returned) => Ok(returned),
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
        closure: &CloseFrame,
    ) -> Result<GuestReply, GuestFault> {
        let Some(consumer) = self.store.data().connections.consumer(id) else {
            return Err(GuestFault::SharedInstanceFailed);
        };
        let closure = GuestClosure { code: closure.code, reason: &closure.reason };
        self.call_with_deadline(|guest, store| {
            guest.consumer().call_disconnect(store, consumer, closure)
        })?;
        self.store.data_mut().connections.remove(id);
        self.drop_consumer(consumer)?;
        Ok(GuestReply::Done)
    }

    /// Runs the guest's destructor of a consumer.
    fn drop_consumer(&mut self, consumer: ResourceAny) -> Result<(), GuestFault> {
        self.call_with_deadline(|_, store| consumer.resource_drop(store))
    }

    /// Enters the guest with its clock running.
    pub(super) fn call_with_deadline<R>(
        &mut self,
        call: impl FnOnce(&Guest, &mut Store<GuestState>) -> wasmtime::Result<R>,
    ) -> Result<R, GuestFault> {
        let guest = self.guest.narrowboat_consumer_websocket();
        self.store.call_with_deadline(|_, store| call(guest, store))
    }
}

impl Drop for Instance {
    /// A panic of the host has ended whoever had it, and with it those who live in it.
    fn drop(&mut self) {
        if std::thread::panicking() && !self.is_trial {
            for link in self.connections() {
                link.outbound.fail(Fault::Guest(GuestFault::SharedInstanceFailed));
            }
        }
    }
}

fn into_done(answer: Result<(), GuestError>) -> Result<GuestReply, GuestError> {
    answer.map(|()| GuestReply::Done)
}

/// Checks what a guest blames its client with.
fn check_client_error(error: ClientError) -> Result<GuestReply, GuestFault> {
    let ClientError { code, reason } = error;
    if CloseFrame::is_allowed_for_client_error(code, &reason) {
        return Ok(GuestReply::ClientError(CloseFrame::new(code, reason)));
    }
    let begins = CloseFrame::new(code, reason).reason;
    Err(GuestFault::ContractViolation(sanitize_log_line(&format!(
        "blamed its client with {code}, {begins:?}: a code is 1007 or 4000 to 4999, a reason at most 123 bytes"
    ))))
}

impl From<Handling> for GuestReply {
    fn from(handling: Handling) -> Self {
        match handling {
            Handling::Handled => Self::Done,
            Handling::UnknownType => Self::UnknownType,
        }
    }
}

/// Lends the scope to the guest's types, which borrow all they hold.
fn with_guest_scope<R>(scope: &Scope, call: impl FnOnce(GuestScope<'_>) -> R) -> R {
    let headers: Vec<(&str, &[u8])> =
        scope.headers.iter().map(|(name, value)| (name.as_str(), &**value)).collect();
    let subprotocols: Vec<&str> = scope.subprotocols.iter().map(String::as_str).collect();
    let url_route: Vec<(&str, &str)> =
        scope.url_route.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let client = (scope.client.ip().to_string(), scope.client.port());
    let server = (scope.server.ip().to_string(), scope.server.port());
    let attributes: Vec<(&str, &str)> =
        scope.attributes.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    call(GuestScope {
        scheme: scope.scheme,
        path: &scope.path,
        raw_path: &scope.raw_path,
        query_string: &scope.query_string,
        headers: &headers,
        subprotocols: &subprotocols,
        client: Some((&client.0, client.1)),
        server: Some((&server.0, server.1)),
        url_route: &url_route,
        user: scope.user.as_deref(),
        attributes: &attributes,
    })
}

impl From<GuestAcceptance> for Acceptance {
    fn from(guest: GuestAcceptance) -> Self {
        Self { subprotocol: guest.subprotocol, headers: into_headers(guest.headers) }
    }
}

impl From<GuestRejection> for Rejection {
    fn from(guest: GuestRejection) -> Self {
        let (status, body) = (guest.status, Bytes::from(guest.body));
        Self { status, headers: into_headers(guest.headers), body }
    }
}

fn into_headers(guest: Vec<(String, Vec<u8>)>) -> Headers {
    guest.into_iter().map(|(name, value)| (name, Bytes::from(value))).collect()
}
