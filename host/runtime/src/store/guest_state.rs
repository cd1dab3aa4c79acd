//! What a store holds for its guest: connections, effects, and the time it has run.

use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;
use wasmtime::bail;
use wasmtime::component::{Resource, ResourceAny};

use crate::bindings::narrowboat::consumer::types::Host as Data;
use crate::call::{ConnectionId, WitConnection};
use crate::effects::{Effect, EffectLimitExceeded, Effects};
use crate::scheduling::ExecutionModeState;
use crate::scheduling::IoDriverWaker;
use crate::stats::{ClientSlot, ClientTracker};
use crate::store::{HostServices, SuppressReason, WasiState};
use crate::store::{InstanceGauges, InstanceLimits, StoreLimiter};
use crate::store::{LogLimiter, Stopwatch};
use narrowboat_channels::ChannelLayer;
use narrowboat_core::capabilities::Capabilities;
use narrowboat_core::component::Role;
use narrowboat_core::fault::GuestFault;
use narrowboat_core::name::{ChannelName, Tenant};
use narrowboat_core::scope::Scope;
use narrowboat_quota::{LimitKind, QuotaChain, Reservation};
use narrowboat_websocket::connection::{ConnectionHandle, PendingSize, PushError};

/// What all instances of a version have in common.
pub(crate) struct VersionContext {
    /// For the log.
    pub(crate) plugin: Arc<str>,
    /// What its manifest calls it, or its plugin's label where there is no manifest.
    pub(crate) manifest_name: String,
    pub(crate) tenant: Tenant,
    pub(crate) layer: Arc<dyn ChannelLayer>,
    /// What there is beyond the host.
    pub(crate) services: Arc<HostServices>,
    pub(crate) limits: InstanceLimits,
    /// What its manifest asks for, all of it granted.
    pub(crate) capabilities: Capabilities,
    pub(crate) execution_mode: ExecutionModeState,
    pub(crate) usage: Arc<InstanceGauges>,
    /// Instances of its modules; `None` if there is no telling.
    pub(crate) core_instance_count: Option<u64>,
    /// What one instance takes of the pool, in places for one; known once it is compiled.
    pub(crate) pool_slots: OnceLock<usize>,
    pub(crate) log_limiter: LogLimiter,
    /// Limits the log lines of panics, which need no permission.
    pub(crate) panic_limiter: LogLimiter,
    pub(crate) quota: Arc<QuotaChain>,
    /// Whether it has asked to reach what it may not.
    pub(crate) was_denied: AtomicBool,
    /// The version's first digits, for the log.
    pub(crate) version: String,
}

impl VersionContext {
    /// Instances that one of it counts for.
    pub(crate) fn pool_slots(&self) -> usize {
        self.pool_slots.get().copied().unwrap_or(1)
    }

    fn new_wasi_state(&self) -> Box<Mutex<WasiState>> {
        let outside = WasiState::new(Arc::clone(&self.services), self.limits.wait_time);
        Box::new(Mutex::new(outside))
    }
}

/// Handles beyond one a connection that a guest may hold, as after `find`.
const SPARE_HANDLES: usize = 1_024;

/// One store's host data.
pub(crate) struct GuestState {
    pub(crate) ctx: Arc<VersionContext>,
    pub(crate) effects: Effects,
    pub(crate) limiter: StoreLimiter,
    pub(crate) stopwatch: Stopwatch,
    /// Boxed, since few have it. Nobody takes the lock: it lets an instance be lent to another thread, which what is
    /// in it does not.
    wasi: Option<Box<Mutex<WasiState>>>,
    connections: FxHashMap<u32, InstanceConnection>,
    /// Only guests choose when to search it, so the hash is one they cannot steer.
    by_channel: HashMap<ChannelName, u32>,
    /// Connections this call has queued something for.
    touched_ids: Vec<u32>,
    last_id: u32,
    /// The connection that the running call is about, if it is about one.
    current_id: u32,
    handle_count: usize,
    /// The text of a panic in the running call.
    panic: Option<GuestPanic>,
    /// A violation of the contract in the running call that does not stop the call.
    contract_violation: Option<GuestFault>,
}

/// The text of a guest's panic.
pub(crate) struct GuestPanic {
    /// One line.
    pub(crate) text: String,
    /// Whether the log has it already.
    pub(crate) logged: bool,
}

/// One connection of the instance.
struct InstanceConnection {
    connection: Arc<ConnectionHandle>,
    /// What its handshake told, which another version is told again.
    scope: Arc<Scope>,
    /// The guest's object, once it has accepted.
    consumer: Option<ResourceAny>,
    /// What this call has queued for it.
    pending: PendingSize,
    /// Timers this call has set on it.
    new_timer_count: u32,
    /// This call has closed it.
    is_closing: bool,
    /// A frame of this call was refused because the client has left or does not read.
    send_refused: bool,
    /// Whether it has had an event of a version that is watched.
    is_counted: bool,
    /// Its place among the version's clients, if it has one. Boxed, since only connections of a watched version have.
    client: Option<Box<ClientSlot>>,
}

impl Data for GuestState {}

impl GuestState {
    pub(crate) fn new(
        ctx: Arc<VersionContext>,
        role: Role,
        places: Reservation,
        overrun: Arc<IoDriverWaker>,
    ) -> Self {
        let wasi = ctx.capabilities.may_wait_on_io().then(|| ctx.new_wasi_state());
        Self {
            effects: Effects::new(ctx.limits.effect_bytes()),
            limiter: StoreLimiter::new(
                &ctx.limits,
                Arc::clone(&ctx.usage),
                Arc::clone(&ctx.quota),
                places,
            ),
            stopwatch: Stopwatch::new(&ctx.limits, role, overrun),
            wasi,
            connections: FxHashMap::default(),
            by_channel: HashMap::new(),
            touched_ids: Vec::new(),
            last_id: 0,
            current_id: 0,
            handle_count: 0,
            panic: None,
            contract_violation: None,
            ctx,
        }
    }

    /// A call begins.
    pub(crate) fn begin_call(&mut self, now: Instant) {
        self.stopwatch.restart(now, self.wasi.is_some());
        self.panic = None;
        self.contract_violation = None;
        if let Some(outside) = self.wasi_mut() {
            outside.begin_call();
        }
    }

    /// Charges the plugin for what the running call has run since it was charged last.
    pub(crate) fn charge_cpu_time(&mut self, now: Instant) {
        let time = self.stopwatch.cpu_meter.take_uncharged(now);
        self.ctx.quota.record_cpu_time(time);
    }

    /// How long the running call has waited for what is not of this process. That is no time of the guest's.
    pub(crate) fn time_waited(&mut self) -> Duration {
        self.wasi_mut().map_or(Duration::ZERO, |outside| outside.wait_budget.waited())
    }

    /// What it holds of the world beyond the host, for imports that are linked to those alone that may hold something.
    pub(crate) fn wasi_mut_or_init(&mut self) -> &mut WasiState {
        let outside = self.wasi.get_or_insert_with(|| self.ctx.new_wasi_state());
        outside.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn wasi_mut(&mut self) -> Option<&mut WasiState> {
        let outside = self.wasi.as_mut()?;
        Some(outside.get_mut().unwrap_or_else(PoisonError::into_inner))
    }

    /// What it holds of the world beyond the host.
    ///
    /// # Errors
    /// Where it may hold nothing, and then its imports are not linked either.
    pub(crate) fn require_wasi(&mut self) -> wasmtime::Result<&mut WasiState> {
        match self.wasi_mut() {
            Some(outside) => Ok(outside),
            None => bail!("nothing beyond the host is granted"),
        }
    }

    /// Has calls change nothing beyond the host from now on, or again what they like; answers with what was before.
    pub(crate) fn replace_suppress_reason(
        &mut self,
        hush: Option<SuppressReason>,
    ) -> Option<SuppressReason> {
        let outside = self.wasi_mut()?;
        std::mem::replace(&mut outside.suppressed, hush)
    }

    /// Stores the text of a panic of the running call, in case the call traps.
    pub(crate) fn record_panic(&mut self, panic: GuestPanic) {
        self.panic = Some(panic);
    }

    /// Takes the text of a panic of the last call.
    pub(crate) fn take_panic(&mut self) -> Option<GuestPanic> {
        self.panic.take()
    }

    /// Stores a violation of the contract that does not stop the call.
    pub(crate) fn record_contract_violation(&mut self, breach: GuestFault) {
        self.contract_violation = Some(breach);
    }

    /// Takes the violation of the contract in the last call.
    pub(crate) fn take_contract_violation(&mut self) -> Option<GuestFault> {
        self.contract_violation.take()
    }

    /// An identifier that no connection of this instance has had.
    pub(crate) fn next_id(&mut self) -> ConnectionId {
        self.last_id += 1;
        ConnectionId(self.last_id)
    }

    /// Notes which connection the next call is about.
    pub(crate) fn set_current_connection(&mut self, id: ConnectionId) {
        self.current_id = id.0;
    }

    /// Counts the client that the last call was about among those of its version, whether that was accepted by it, and
    /// whether it saw the version fail.
    pub(crate) fn count_client(
        &mut self,
        clients: &Arc<ClientTracker>,
        is_accepted: bool,
        has_failed: bool,
    ) {
        let Some(entry) = self.connections.get_mut(&self.current_id) else { return };
        if !entry.is_counted {
            entry.is_counted = true;
            let address = entry.scope.client.ip();
            let client = if is_accepted {
                clients.add_accepted(address)
            } else {
                clients.add_migrated(address)
            };
            entry.client = client.map(Box::new);
        }
        if let Some(client) = entry.client.as_mut().filter(|_| has_failed) {
            client.record_fault();
        }
    }

    /// The channel of the connection that the running call is about.
    pub(crate) fn current_channel(&self) -> Option<&str> {
        self.connections.get(&self.current_id).map(|entry| entry.connection.channel.as_str())
    }

    /// The identifier used last, for an instance that takes over the connections of this one.
    pub(crate) fn last_id(&self) -> u32 {
        self.last_id
    }

    /// Goes on where the instance stood whose connections this one takes over.
    pub(crate) fn inherit_ids(&mut self, last_id: u32, connections: usize) {
        self.last_id = last_id;
        self.connections.reserve(connections);
        self.by_channel.reserve(connections);
    }

    /// Admits a connection.
    pub(crate) fn insert_connection(
        &mut self,
        id: ConnectionId,
        link: Arc<ConnectionHandle>,
        scope: Arc<Scope>,
    ) {
        self.by_channel.insert(link.channel.clone(), id.0);
        let entry = InstanceConnection {
            connection: link,
            scope,
            consumer: None,
            pending: PendingSize::default(),
            new_timer_count: 0,
            is_closing: false,
            send_refused: false,
            is_counted: false,
            client: None,
        };
        self.connections.insert(id.0, entry);
    }

    /// The connections that have a consumer, in no order. Those that came later have higher
    /// identifiers.
    pub(crate) fn consumer_connections(
        &self,
    ) -> impl Iterator<Item = (ConnectionId, &Arc<ConnectionHandle>, &Arc<Scope>)> {
        let with_consumer = self.connections.iter().filter(|(_, entry)| entry.consumer.is_some());
        with_consumer.map(|(id, entry)| (ConnectionId(*id), &entry.connection, &entry.scope))
    }

    /// A handle for the guest to own.
    pub(crate) fn new_handle(
        &mut self,
        id: ConnectionId,
    ) -> wasmtime::Result<Resource<WitConnection>> {
        if self.handle_count > self.connections.len() + SPARE_HANDLES {
            bail!(
                "the guest holds {} connection handles; drop those not needed",
                self.handle_count
            );
        }
        self.handle_count += 1;
        Ok(Resource::new_own(id.0))
    }

    /// The guest dropped a handle, which closes nothing.
    pub(crate) fn drop_handle(&mut self) {
        self.handle_count = self.handle_count.saturating_sub(1);
    }

    pub(crate) fn set_consumer(&mut self, id: ConnectionId, consumer: ResourceAny) {
        if let Some(entry) = self.connections.get_mut(&id.0) {
            entry.consumer = Some(consumer);
        }
    }

    pub(crate) fn consumer(&self, id: ConnectionId) -> Option<ResourceAny> {
        self.connections.get(&id.0)?.consumer
    }

    /// Lets a connection go; its handles answer `closed` from now on.
    pub(crate) fn remove_connection(&mut self, id: ConnectionId) -> Option<ResourceAny> {
        let entry = self.connections.remove(&id.0)?;
        self.by_channel.remove(&entry.connection.channel);
        entry.consumer
    }

    /// The connections of this instance.
    pub(crate) fn connections(&self) -> impl ExactSizeIterator<Item = &Arc<ConnectionHandle>> {
        self.connections.values().map(|entry| &entry.connection)
    }

    pub(crate) fn connection(
        &self,
        handle: &Resource<WitConnection>,
    ) -> Option<&Arc<ConnectionHandle>> {
        self.connections.get(&handle.rep()).map(|entry| &entry.connection)
    }

    pub(crate) fn scope_of(&self, handle: &Resource<WitConnection>) -> Option<&Arc<Scope>> {
        self.connections.get(&handle.rep()).map(|entry| &entry.scope)
    }

    pub(crate) fn find_connection(&self, channel: &str) -> Option<ConnectionId> {
        self.by_channel.get(channel).copied().map(ConnectionId)
    }

    /// Bytes waiting for a connection, this call's own included.
    pub(crate) fn buffered_bytes(&self, handle: &Resource<WitConnection>) -> usize {
        self.connections
            .get(&handle.rep())
            .map_or(0, |entry| entry.connection.outbound.buffered_bytes() + entry.pending.bytes)
    }

    /// Notes that a frame of `len` bytes goes to a connection after this call.
    ///
    /// # Errors
    /// As the queue would answer.
    pub(crate) fn reserve_send(
        &mut self,
        handle: &Resource<WitConnection>,
        len: usize,
    ) -> Result<Arc<ConnectionHandle>, PushError> {
        let id = handle.rep();
        let entry = self.connections.get_mut(&id).ok_or(PushError::Closed)?;
        if entry.is_closing {
            return Err(PushError::Closed);
        }
        let probed = entry.connection.outbound.check_push(entry.pending, len);
        let by_client = match probed {
            Err(PushError::Closed) => true,
            // A call that sends more than an empty queue takes has itself to blame.
            Err(PushError::Full) => entry.connection.outbound.fits_when_empty(entry.pending, len),
            Ok(()) | Err(PushError::TooLarge(_)) => false,
        };
        // Once: a guest may ask again as often as its time allows.
        if by_client && !std::mem::replace(&mut entry.send_refused, true) {
            self.touched_ids.push(id);
        }
        match probed {
            Err(PushError::Full) if entry.connection.outbound.closes_on_overflow() => {
                entry.is_closing = true;
                self.touched_ids.push(id);
                let overflow = Effect::Overflow(Arc::clone(&entry.connection));
                // The list is full: the next frame for this connection finds it over its bound too.
                let _ = self.effects.push(overflow, 0);
                return Err(PushError::Closed);
            }
            other => other?,
        }
        if entry.pending.frames == 0 {
            self.touched_ids.push(id);
        }
        entry.pending.frames += 1;
        entry.pending.bytes += len;
        Ok(Arc::clone(&entry.connection))
    }

    /// Notes that a connection closes after this call; `None` where it does already.
    pub(crate) fn mark_closing(
        &mut self,
        handle: &Resource<WitConnection>,
    ) -> Option<Arc<ConnectionHandle>> {
        let id = handle.rep();
        let entry = self.connections.get_mut(&id)?;
        if entry.is_closing || entry.connection.outbound.is_closing() {
            return None;
        }
        entry.is_closing = true;
        self.touched_ids.push(id);
        Some(Arc::clone(&entry.connection))
    }

    /// Whether a frame for this connection was refused in the last call because the client has left or does not read.
    pub(crate) fn was_send_refused(&self, id: ConnectionId) -> bool {
        self.connections.get(&id.0).is_some_and(|entry| entry.send_refused)
    }

    /// Whether the running call has closed a connection.
    pub(crate) fn is_closing(&self, id: ConnectionId) -> bool {
        self.connections.get(&id.0).is_some_and(|entry| entry.is_closing)
    }

    /// Notes that a timer starts after this call; `None` where the connection has enough.
    pub(crate) fn reserve_timer(
        &mut self,
        handle: &Resource<WitConnection>,
    ) -> Result<Option<Arc<ConnectionHandle>>, PushError> {
        let id = handle.rep();
        let entry = self.connections.get_mut(&id).ok_or(PushError::Closed)?;
        if entry.connection.timers.len() + entry.new_timer_count as usize >= self.ctx.limits.timers
        {
            self.ctx.quota.record_limit_hit(LimitKind::Timers);
            return Ok(None);
        }
        entry.new_timer_count += 1;
        self.touched_ids.push(id);
        Ok(Some(Arc::clone(&entry.connection)))
    }

    /// Adds an effect that cannot answer: too many of them end the call.
    pub(crate) fn push_effect_or_trap(&mut self, effect: Effect) -> wasmtime::Result<()> {
        match self.effects.push(effect, 0) {
            Ok(()) => Ok(()),
            Err(EffectLimitExceeded) => {
                self.ctx.quota.record_limit_hit(LimitKind::Effects);
                bail!("{}", EffectLimitExceeded::TEXT)
            }
        }
    }

    /// Takes the call's effects and forgets what it had pending.
    pub(crate) fn take_effects(&mut self) -> Vec<Effect> {
        for id in self.touched_ids.drain(..) {
            if let Some(entry) = self.connections.get_mut(&id) {
                entry.pending = PendingSize::default();
                entry.new_timer_count = 0;
                entry.is_closing = false;
                entry.send_refused = false;
            }
        }
        self.effects.take()
    }
}

#[cfg(test)]
mod tests;
