use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use super::{
    consumer_instance::ConsumerInstance,
    current_instance::InstanceId,
    event_loop::Event,
    host_state::HostState,
    imports::connections,
    instance_thread::InstanceThread,
    native_connection::{ConnectionId, NativeConnection, Stage, UNDECIDED},
    native_layer::{NativeLayer, Receiver},
    native_room::room_name,
    plugin_code::{Isolation, PluginCode},
    scope_of_request::scope_of,
    timer_queue::{TimerKind, TimerQueue},
    worker_instance::WorkerInstance,
};
use crate::{
    bindings::{
        exports::narrowboat::consumer::websocket::{Decision, Refusal},
        narrowboat::consumer::types,
    },
    close_frame::CloseFrame,
    frame::Frame,
    testing::{ConnectRequest, Handshake, Received, Rejection},
};

/// The time that a consumer has to decide its handshake, by default.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// The host of one test, in its process. After each operation nothing is left to do until the next one.
pub(crate) struct NativeHost {
    state: Arc<Mutex<HostState>>,
    pub(super) code: PluginCode,
    pub(super) consumers: BTreeMap<InstanceId, InstanceThread<dyn ConsumerInstance>>,
    /// The running workers, by their index in the code.
    pub(super) workers: BTreeMap<usize, InstanceThread<dyn WorkerInstance>>,
    pub(super) layer: NativeLayer,
    pub(super) timers: TimerQueue,
    pub(super) events: VecDeque<Event>,
    pub(super) faults: Vec<String>,
    /// The number of versions, the first included.
    pub(super) version_count: u32,
    last_instance: u32,
    last_connection: ConnectionId,
    pub(super) last_channel: u32,
}

impl NativeHost {
    pub(crate) fn new(code: PluginCode) -> Self {
        let mut host = Self {
            state: Arc::new(Mutex::new(HostState::new())),
            code,
            consumers: BTreeMap::new(),
            workers: BTreeMap::new(),
            layer: NativeLayer::default(),
            timers: TimerQueue::default(),
            events: VecDeque::new(),
            faults: Vec::new(),
            version_count: 1,
            last_instance: 0,
            last_connection: 0,
            last_channel: 0,
        };
        host.open_worker_channels();
        host
    }

    /// Opens the channel of each worker.
    pub(super) fn open_worker_channels(&mut self) {
        for (index, worker) in self.code.workers.iter().enumerate() {
            self.layer.open(&worker.channel, Receiver::Worker(index));
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, HostState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn shared_state(&self) -> Arc<Mutex<HostState>> {
        Arc::clone(&self.state)
    }

    pub(super) fn next_instance_id(&mut self) -> InstanceId {
        self.last_instance += 1;
        InstanceId(self.last_instance)
    }

    /// Changes a connection.
    ///
    /// # Errors
    /// This host has no such connection.
    pub(super) fn with_connection<R>(
        &self,
        id: ConnectionId,
        work: impl FnOnce(&mut NativeConnection) -> R,
    ) -> Result<R, String> {
        let mut state = self.state();
        let connection = state.connections.get_mut(&id);
        connection.map(work).ok_or_else(|| format!("the host has no connection {id}"))
    }

    /// Performs a handshake up to the decision of the consumer, or until it waits.
    ///
    /// # Errors
    /// The host has no consumer, or the request is not valid.
    pub(crate) fn connect_client(
        &mut self,
        request: &ConnectRequest,
    ) -> Result<ConnectionId, String> {
        let scope = scope_of(request)?;
        let instance = self.instance_of_new_connection(&scope)?;
        self.last_connection += 1;
        let id = self.last_connection;
        let channel = format!("specific.test!{id}");
        self.layer.open(&channel, Receiver::Connection(id));
        let connection = NativeConnection::new(channel, scope.clone(), instance);
        self.state().connections.insert(id, connection);

        let handle = connections::Connection { id, instance };
        let reply =
            self.call_consumers(instance, move |consumers| consumers.connect(handle, scope));
        if let Some(reply) = reply {
            self.handle_decision(id, reply);
            self.apply_effects();
        }
        self.settle()?;
        Ok(id)
    }

    fn instance_of_new_connection(&mut self, scope: &types::Scope) -> Result<InstanceId, String> {
        let create = self.code.consumer.ok_or(
            "this host has no consumer: create it with Host::new or Host::builder().consumer",
        )?;
        if let Isolation::Room(template) = &self.code.isolation {
            let name = room_name(template, scope)?;
            return self.instance_of_room(name, create);
        }
        match self.consumers.keys().next() {
            Some(id) if self.code.isolation == Isolation::Shared => Ok(*id),
            _ => {
                let id = self.next_instance_id();
                let thread = InstanceThread::start(self.shared_state(), id, create)?;
                self.consumers.insert(id, thread);
                Ok(id)
            }
        }
    }

    fn handle_decision(&mut self, id: ConnectionId, reply: Result<Decision, Refusal>) {
        match reply {
            Ok(Decision::Accept(acceptance)) => self.accept(id, acceptance),
            Ok(Decision::Later) => {
                let at = self.state().elapsed + HANDSHAKE_TIMEOUT;
                self.timers.set(at, id, TimerKind::Handshake);
            }
            Err(Refusal::Rejection(rejection)) => self.reject(id, rejection),
            Err(Refusal::Plugin(text)) => {
                self.record_fault(format!("returned an error: {text}"));
                self.end_rejected(id, Rejection::of_host(500, "the consumer failed"));
            }
        }
    }

    /// The handshake as the client sees it.
    pub(crate) fn handshake(&self, id: ConnectionId) -> Result<Handshake, String> {
        self.with_connection(id, |connection| connection.handshake())
    }

    /// The name of the channel of a connection.
    pub(crate) fn channel_name(&self, id: ConnectionId) -> Result<String, String> {
        self.with_connection(id, |connection| connection.channel.clone())
    }

    /// Brings a frame of the client to the consumer.
    ///
    /// # Errors
    /// The connection is not open.
    pub(crate) fn send(&mut self, id: ConnectionId, frame: Frame) -> Result<(), String> {
        self.check_open(id)?;
        self.run_event(id, move |consumers| consumers.receive(id, frame.into()));
        self.settle()
    }

    fn check_open(&self, id: ConnectionId) -> Result<(), String> {
        self.with_connection(id, |connection| match (&connection.stage, &connection.close) {
            (Stage::Open, _) if !connection.is_closing => Ok(()),
            (Stage::Undecided, _) => Err(UNDECIDED.to_owned()),
            (Stage::Rejected(rejection), _) => {
                Err(format!("the handshake was rejected: {rejection}"))
            }
            (_, Some(close)) => {
                Err(format!("the connection is closed with {} {:?}", close.code, close.reason))
            }
            (_, None) => Err("the client has closed the connection".to_owned()),
        })?
    }

    /// Takes the next frame or the Close frame of a connection.
    ///
    /// # Errors
    /// The handshake is not accepted.
    pub(crate) fn receive(&self, id: ConnectionId) -> Result<Option<Received>, String> {
        self.with_connection(id, NativeConnection::receive)?
    }

    /// Sets the wall clock. Timers stay as they are.
    pub(crate) fn set_time(&mut self, time: SystemTime) -> Result<(), String> {
        let mut state = self.state();
        let started = time.checked_sub(state.elapsed);
        state.started = started.ok_or("the time is before 1970")?;
        Ok(())
    }

    /// Advances the clock. The timers that are due fire in order, each at its own time.
    pub(crate) fn advance(&mut self, duration: Duration) -> Result<(), String> {
        let end = self.state().elapsed + duration;
        while let Some(at) = self.next_time().filter(|at| *at <= end) {
            let mut state = self.state();
            state.elapsed = state.elapsed.max(at);
            drop(state);
            self.settle()?;
        }
        self.state().elapsed = end;
        Ok(())
    }

    /// When the next timer or alarm is due.
    fn next_time(&self) -> Option<Duration> {
        let alarm = self.state().next_alarm();
        [self.timers.next_time(), alarm].into_iter().flatten().min()
    }

    /// Accepts a handshake, if the response is valid.
    pub(super) fn accept(&mut self, id: ConnectionId, acceptance: types::Acceptance) {
        let is_valid = self.with_connection(id, |connection| {
            let offered = &connection.scope.subprotocols;
            acceptance.subprotocol.as_ref().is_none_or(|chosen| offered.contains(chosen))
        });
        self.timers.clear(id, TimerKind::Handshake);
        if is_valid == Ok(true) {
            let _ = self.with_connection(id, |connection| {
                connection.acceptance = acceptance;
                connection.stage = Stage::Open;
            });
            return;
        }
        self.call_disconnect(id, &CloseFrame::abnormal());
        self.end_rejected(id, Rejection::of_host(500, "the consumer returned an invalid response"));
    }

    /// Rejects a handshake, and drops its consumer without a `disconnect`.
    pub(super) fn reject(&mut self, id: ConnectionId, rejection: types::Rejection) {
        let types::Rejection { status, headers, body } = rejection;
        let rejection = match status {
            400..=599 => Rejection { status, headers, body },
            _ => Rejection::of_host(500, "the consumer returned an invalid response"),
        };
        if let Ok(instance) = self.with_connection(id, |connection| connection.instance) {
            self.call_consumers(instance, move |consumers| consumers.discard(id));
        }
        self.end_rejected(id, rejection);
    }
}
