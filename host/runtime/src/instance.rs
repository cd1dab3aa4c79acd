//! A running instantiation of a version, with the consumers that live in it.

mod saving;

use std::sync::Arc;

use bytes::Bytes;
use wasmtime::Store;
use wasmtime::component::ResourceAny;

use super::bindings::WebsocketConsumer;
use super::bindings::exports::narrowboat::consumer::websocket::{
    Acceptance as GuestAcceptance, Closure as GuestClosure, Error as GuestError,
    Frame as GuestFrame, Guest, Handling, Refusal, Rejection as GuestRejection,
    Scope as GuestScope,
};
use super::bindings::narrowboat::consumer::types::ClientError;
use super::call::{Call, ConnectionId, Returned};
use super::effects::Effect;
use super::outside::Hush;
use super::state::GuestState;
use super::store::GuestStore;
use super::version::Version;
use narrowboat_core::answer::{Acceptance, Rejection};
use narrowboat_core::closure::Closure;
use narrowboat_core::component::Role;
use narrowboat_core::fault::{Fault, GuestFault, one_line};
use narrowboat_core::frame::Frame;
use narrowboat_core::scope::{Headers, Scope};
use narrowboat_quota::Taken;
use narrowboat_websocket::connection::Link;

/// An instance. Whoever owns it makes its calls, one at a time.
pub struct Instance {
    store: GuestStore,
    guest: WebsocketConsumer,
    /// Events it has been given.
    events: u64,
    /// It is thrown away, whatever becomes of it, and nobody lives in it.
    on_trial: bool,
}

impl Instance {
    /// A new instance with no consumers, in the places that were taken for it.
    ///
    /// # Errors
    /// When its start-up code fails, or the pool of instances is exhausted.
    pub fn new(version: Arc<Version>, places: Taken) -> Result<Self, GuestFault> {
        Self::start(version, places, None)
    }

    /// A new instance for the consumers of another, which counts whether or not there may be more.
    ///
    /// # Errors
    /// As [`Instance::new`].
    pub(super) fn successor(version: Arc<Version>) -> Result<Self, GuestFault> {
        let places = version.count_places();
        Self::start(version, places, None)
    }

    /// An instance to be thrown away: what it does has no effects, and changes nothing beyond the host.
    ///
    /// # Errors
    /// As [`Instance::new`].
    pub(super) fn on_trial(version: Arc<Version>) -> Result<Self, GuestFault> {
        let places = version.count_places();
        Self::start(version, places, Some(Hush::Trial))
    }

    fn start(version: Arc<Version>, places: Taken, hush: Option<Hush>) -> Result<Self, GuestFault> {
        let (store, guest) =
            GuestStore::start(version, Role::Consumer, places, hush, |version, store, exports| {
                version.consumer()?.load(store, exports)
            })?;
        Ok(Self { store, guest, events: 0, on_trial: hush == Some(Hush::Trial) })
    }

    /// The version it runs.
    pub fn version(&self) -> &Arc<Version> {
        self.store.version()
    }

    /// Events it has been given.
    pub fn events(&self) -> u64 {
        self.events
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
    pub fn call(&mut self, call: &Call) -> Result<Returned, GuestFault> {
        if !matches!(call, Call::Disconnect(..)) {
            self.store.version().tally.event();
        }
        let result = self.enter(call);
        // Of a call that killed the instance nothing has happened.
        self.events += u64::from(!self.store.is_dead());
        let breach = self.store.data_mut().take_breach();
        self.count_client(call, &result, breach.as_ref());
        self.note(call, &result, breach);
        result
    }

    /// Counts whom a call was for, while its version is watched.
    fn count_client(
        &mut self,
        call: &Call,
        result: &Result<Returned, GuestFault>,
        breach: Option<&GuestFault>,
    ) {
        let clients = self.store.version().tally.clients();
        let is_event = !matches!(call, Call::Disconnect(..))
            && !matches!(result, Err(GuestFault::InstanceGone));
        if !is_event || !clients.is_watched() {
            return;
        }
        let clients = Arc::clone(clients);
        let has_failed = result.is_err() || breach.is_some();
        let is_accepted = matches!(result, Ok(Returned::Accepted(..)));
        match call {
            // It has left the instance again.
            Call::Connect { scope, .. } if !is_accepted => {
                clients.turn_away(scope.client.ip(), has_failed);
            }
            _ => self.store.data_mut().count_client(&clients, is_accepted, has_failed),
        }
    }

    /// Counts what came of a call.
    fn note(&self, call: &Call, result: &Result<Returned, GuestFault>, breach: Option<GuestFault>) {
        let version = self.store.version();
        match result {
            Err(GuestFault::InstanceGone) => {}
            Err(fault) => version.tally.fault(fault),
            Ok(Returned::ClientError(_) | Returned::Unheard(_)) => version.tally.client_error(),
            Ok(Returned::Unknown) => {
                if let Call::Handle(_, message) = call {
                    version.note_unknown(message.kind());
                }
            }
            Ok(_) => {}
        }
        if let (Ok(_), Some(fault)) = (result, breach) {
            version.tally.fault(&fault);
        }
    }

    fn enter(&mut self, call: &Call) -> Result<Returned, GuestFault> {
        if let Some(id) = call.consumer() {
            self.store.data_mut().turn_to(id);
        }
        match call {
            Call::Connect { link, scope } => {
                let id = self.store.data_mut().next_id();
                self.store.data_mut().admit(id, Arc::clone(link), Arc::clone(scope));
                self.connect(id, scope)
            }
            Call::Receive(id, frame) => self.event(*id, |guest, store, consumer| {
                let frame = match frame {
                    Frame::Text(text) => GuestFrame::Text(text),
                    Frame::Binary(bytes) => GuestFrame::Binary(bytes),
                };
                guest.consumer().call_receive(store, consumer, frame).map(done)
            }),
            Call::Handle(id, message) => self.event(*id, |guest, store, consumer| {
                let handled = guest.consumer().call_handle(store, consumer, message.bytes());
                handled.map(|handled| handled.map(Returned::from))
            }),
            Call::Timer(id, timer) => self.event(*id, |guest, store, consumer| {
                guest.consumer().call_timer(store, consumer, *timer).map(done)
            }),
            Call::Disconnect(id, closure) => self.disconnect(*id, closure),
        }
    }

    /// Takes what the last call asked for.
    pub fn take_effects(&mut self) -> Vec<Effect> {
        self.store.take_effects()
    }

    /// The connections that live in it.
    pub fn links(&self) -> impl Iterator<Item = &Arc<Link>> {
        self.store.data().links()
    }

    /// Has an admitted connection accepted or turned away.
    fn connect(&mut self, id: ConnectionId, scope: &Scope) -> Result<Returned, GuestFault> {
        self.store.data_mut().turn_to(id);
        let handle = self.store.data_mut().handle(id);
        let answer = self.timed(|guest, store| {
            with_guest_scope(scope, |scope| guest.consumer().call_connect(store, scope, handle?))
        })?;
        if self.store.data().is_closing(id) {
            if let Ok((consumer, _)) = answer {
                self.drop_consumer(consumer)?;
            }
            self.store.data_mut().dismiss(id);
            return Ok(Returned::Rejected(Rejection::plain(403, "")));
        }
        match answer {
            Ok((consumer, acceptance)) => {
                self.store.data_mut().set_consumer(id, consumer);
                Ok(Returned::Accepted(id, acceptance.into()))
            }
            Err(refusal) => {
                self.store.data_mut().dismiss(id);
                match refusal {
                    Refusal::Rejection(rejection) => Ok(Returned::Rejected(rejection.into())),
                    Refusal::Plugin(text) => Err(GuestFault::Error(one_line(&text))),
                }
            }
        }
    }

    fn event(
        &mut self,
        id: ConnectionId,
        call: impl FnOnce(
            &Guest,
            &mut Store<GuestState>,
            ResourceAny,
        ) -> wasmtime::Result<Result<Returned, GuestError>>,
    ) -> Result<Returned, GuestFault> {
        let Some(consumer) = self.store.data().consumer(id) else {
            return Err(GuestFault::InstanceGone);
        };
        match self.timed(|guest, store| call(guest, store, consumer))? {
            Ok(returned) => Ok(returned),
            // A client that leaves or does not read must not cause faults of the plugin.
            Err(GuestError::Plugin(text)) if self.store.data().was_refused(id) => {
                Ok(Returned::Unheard(one_line(&text)))
            }
            Err(GuestError::Plugin(text)) => Err(GuestFault::Error(one_line(&text))),
            Err(GuestError::Client(error)) => client_error(error),
        }
    }

    fn disconnect(&mut self, id: ConnectionId, closure: &Closure) -> Result<Returned, GuestFault> {
        let Some(consumer) = self.store.data().consumer(id) else {
            return Err(GuestFault::InstanceGone);
        };
        let closure = GuestClosure { code: closure.code, reason: &closure.reason };
        self.timed(|guest, store| guest.consumer().call_disconnect(store, consumer, closure))?;
        self.store.data_mut().dismiss(id);
        self.drop_consumer(consumer)?;
        Ok(Returned::Done)
    }

    /// Runs the guest's destructor of a consumer.
    fn drop_consumer(&mut self, consumer: ResourceAny) -> Result<(), GuestFault> {
        self.timed(|_, store| consumer.resource_drop(store))
    }

    /// Enters the guest with its clock running.
    fn timed<R>(
        &mut self,
        call: impl FnOnce(&Guest, &mut Store<GuestState>) -> wasmtime::Result<R>,
    ) -> Result<R, GuestFault> {
        let guest = self.guest.narrowboat_consumer_websocket();
        self.store.timed(|_, store| call(guest, store))
    }
}

impl Drop for Instance {
    /// A panic of the host has ended whoever had it, and with it those who live in it.
    fn drop(&mut self) {
        if std::thread::panicking() && !self.on_trial {
            for link in self.links() {
                link.outbound.fail(Fault::Guest(GuestFault::InstanceGone));
            }
        }
    }
}

fn done(answer: Result<(), GuestError>) -> Result<Returned, GuestError> {
    answer.map(|()| Returned::Done)
}

/// Checks what a guest blames its client with.
fn client_error(error: ClientError) -> Result<Returned, GuestFault> {
    let ClientError { code, reason } = error;
    if Closure::is_for_client_errors(code, &reason) {
        return Ok(Returned::ClientError(Closure::new(code, reason)));
    }
    let begins = Closure::new(code, reason).reason;
    Err(GuestFault::Contract(one_line(&format!(
        "blamed its client with {code}, {begins:?}: a code is 1007 or 4000 to 4999, a reason at most 123 bytes"
    ))))
}

impl From<Handling> for Returned {
    fn from(handling: Handling) -> Self {
        match handling {
            Handling::Handled => Self::Done,
            Handling::UnknownType => Self::Unknown,
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
        Self { subprotocol: guest.subprotocol, headers: headers(guest.headers) }
    }
}

impl From<GuestRejection> for Rejection {
    fn from(guest: GuestRejection) -> Self {
        let (status, body) = (guest.status, Bytes::from(guest.body));
        Self { status, headers: headers(guest.headers), body }
    }
}

fn headers(guest: Vec<(String, Vec<u8>)>) -> Headers {
    guest.into_iter().map(|(name, value)| (name, Bytes::from(value))).collect()
}
