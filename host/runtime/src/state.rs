//! What a store holds for its guest: connections, effects, and the time it has run.

mod stopwatch;

use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;
use wasmtime::bail;
use wasmtime::component::{Resource, ResourceAny};

use super::bindings::narrowboat::consumer::types::Host as Data;
use super::call::{ConnectionHandle, ConnectionId};
use super::clients::{Client, Clients};
use super::effects::{Effect, Effects, TooMany};
use super::lane::LaneState;
use super::limits::{Growth, InstanceLimits, Usage};
use super::outside::{Beyond, Hush, Outside};
use super::overrun::Overrun;
use super::words::Words;
use narrowboat_channels::ChannelLayer;
use narrowboat_core::capabilities::Capabilities;
use narrowboat_core::component::Role;
use narrowboat_core::fault::GuestFault;
use narrowboat_core::name::{ChannelName, Tenant};
use narrowboat_core::scope::Scope;
use narrowboat_quota::{Allowance, Bound, Taken};
use narrowboat_websocket::connection::{Link, Queued, Refused};

pub(super) use stopwatch::{OutOfTime, Stopwatch};

/// What all instances of a version have in common.
pub(super) struct Surroundings {
    /// For the log.
    pub(super) plugin: Arc<str>,
    /// What its manifest calls it, or its plugin's label where there is no manifest.
    pub(super) own_name: String,
    pub(super) tenant: Tenant,
    pub(super) layer: Arc<dyn ChannelLayer>,
    /// What there is beyond the host.
    pub(super) beyond: Arc<Beyond>,
    pub(super) limits: InstanceLimits,
    /// What its manifest asks for, all of it granted.
    pub(super) asks: Capabilities,
    pub(super) lane: LaneState,
    pub(super) usage: Arc<Usage>,
    /// Instances of its modules; `None` if there is no telling.
    pub(super) parts: Option<u64>,
    /// What one instance takes of the pool, in places for one; known once it is compiled.
    pub(super) places: OnceLock<usize>,
    pub(super) words: Words,
    /// Limits the log lines of panics, which need no permission.
    pub(super) panics: Words,
    pub(super) allowance: Arc<Allowance>,
    /// Whether it has asked to reach what it may not.
    pub(super) was_denied: AtomicBool,
    /// The version's first digits, for the log.
    pub(super) version: String,
}

impl Surroundings {
    /// Instances that one of it counts for.
    pub(super) fn places(&self) -> usize {
        self.places.get().copied().unwrap_or(1)
    }

    fn outside(&self) -> Box<Mutex<Outside>> {
        let outside = Outside::new(Arc::clone(&self.beyond), self.limits.wait_time);
        Box::new(Mutex::new(outside))
    }
}

/// Handles beyond one a connection that a guest may hold, as after `find`.
const SPARE_HANDLES: usize = 1_024;

/// One store's host data.
pub(super) struct GuestState {
    pub(super) around: Arc<Surroundings>,
    pub(super) effects: Effects,
    pub(super) growth: Growth,
    pub(super) stopwatch: Stopwatch,
    /// Boxed, since few have it. Nobody takes the lock: it lets an instance be lent to another thread, which what is
    /// in it does not.
    outside: Option<Box<Mutex<Outside>>>,
    connections: FxHashMap<u32, Entry>,
    /// Only guests choose when to search it, so the hash is one they cannot steer.
    by_channel: HashMap<ChannelName, u32>,
    /// Connections this call has queued something for.
    touched: Vec<u32>,
    last_id: u32,
    /// The connection that the running call is about, if it is about one.
    current: u32,
    handles: usize,
    /// The text of a panic in the running call.
    panic: Option<Panic>,
    /// A violation of the contract in the running call that does not stop the call.
    breach: Option<GuestFault>,
}

/// The text of a guest's panic.
pub(super) struct Panic {
    /// One line.
    pub(super) text: String,
    /// Whether the log has it already.
    pub(super) logged: bool,
}

/// One connection of the instance.
struct Entry {
    link: Arc<Link>,
    /// What its handshake told, which another version is told again.
    scope: Arc<Scope>,
    /// The guest's object, once it has accepted.
    consumer: Option<ResourceAny>,
    /// What this call has queued for it.
    pending: Queued,
    /// Timers this call has set on it.
    timers: u32,
    /// This call has closed it.
    closing: bool,
    /// A frame of this call was refused because the client has left or does not read.
    refused: bool,
    /// Whether it has had an event of a version that is watched.
    is_counted: bool,
    /// Its place among the version's clients, if it has one. Boxed, since only connections of a watched version have.
    client: Option<Box<Client>>,
}

impl Data for GuestState {}

impl GuestState {
    pub(super) fn new(
        around: Arc<Surroundings>,
        role: Role,
        places: Taken,
        overrun: Arc<Overrun>,
    ) -> Self {
        let outside = around.asks.may_wait().then(|| around.outside());
        Self {
            effects: Effects::new(around.limits.effect_bytes()),
            growth: Growth::new(
                &around.limits,
                Arc::clone(&around.usage),
                Arc::clone(&around.allowance),
                places,
            ),
            stopwatch: Stopwatch::new(&around.limits, role, overrun),
            outside,
            connections: FxHashMap::default(),
            by_channel: HashMap::new(),
            touched: Vec::new(),
            last_id: 0,
            current: 0,
            handles: 0,
            panic: None,
            breach: None,
            around,
        }
    }

    /// A call begins.
    pub(super) fn begin(&mut self, now: Instant) {
        self.stopwatch.restart(now, self.outside.is_some());
        self.panic = None;
        self.breach = None;
        if let Some(outside) = self.held_outside() {
            outside.begin();
        }
    }

    /// Charges the plugin for what the running call has run since it was charged last.
    pub(super) fn charge(&mut self, now: Instant) {
        let time = self.stopwatch.stint.charge(now);
        self.around.allowance.run(time);
    }

    /// How long the running call has waited for what is not of this process. That is no time of the guest's.
    pub(super) fn waited(&mut self) -> Duration {
        self.held_outside().map_or(Duration::ZERO, |outside| outside.patience.waited())
    }

    /// What it holds of the world beyond the host, for imports that are linked to those alone that may hold something.
    pub(super) fn outside_at_last(&mut self) -> &mut Outside {
        let outside = self.outside.get_or_insert_with(|| self.around.outside());
        outside.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    fn held_outside(&mut self) -> Option<&mut Outside> {
        let outside = self.outside.as_mut()?;
        Some(outside.get_mut().unwrap_or_else(PoisonError::into_inner))
    }

    /// What it holds of the world beyond the host.
    ///
    /// # Errors
    /// Where it may hold nothing, and then its imports are not linked either.
    pub(super) fn outside(&mut self) -> wasmtime::Result<&mut Outside> {
        match self.held_outside() {
            Some(outside) => Ok(outside),
            None => bail!("nothing beyond the host is granted"),
        }
    }

    /// Has calls change nothing beyond the host from now on, or again what they like; answers with what was before.
    pub(super) fn hush(&mut self, hush: Option<Hush>) -> Option<Hush> {
        let outside = self.held_outside()?;
        std::mem::replace(&mut outside.hushed, hush)
    }

    /// Stores the text of a panic of the running call, in case the call traps.
    pub(super) fn note_panic(&mut self, panic: Panic) {
        self.panic = Some(panic);
    }

    /// Takes the text of a panic of the last call.
    pub(super) fn take_panic(&mut self) -> Option<Panic> {
        self.panic.take()
    }

    /// Stores a violation of the contract that does not stop the call.
    pub(super) fn note_breach(&mut self, breach: GuestFault) {
        self.breach = Some(breach);
    }

    /// Takes the violation of the contract in the last call.
    pub(super) fn take_breach(&mut self) -> Option<GuestFault> {
        self.breach.take()
    }

    /// An identifier that no connection of this instance has had.
    pub(super) fn next_id(&mut self) -> ConnectionId {
        self.last_id += 1;
        ConnectionId(self.last_id)
    }

    /// Notes which connection the next call is about.
    pub(super) fn turn_to(&mut self, id: ConnectionId) {
        self.current = id.0;
    }

    /// Counts the client that the last call was about among those of its version, whether that was accepted by it, and
    /// whether it saw the version fail.
    pub(super) fn count_client(
        &mut self,
        clients: &Arc<Clients>,
        is_accepted: bool,
        has_failed: bool,
    ) {
        let Some(entry) = self.connections.get_mut(&self.current) else { return };
        if !entry.is_counted {
            entry.is_counted = true;
            let address = entry.scope.client.ip();
            let client = if is_accepted { clients.accept(address) } else { clients.enter(address) };
            entry.client = client.map(Box::new);
        }
        if let Some(client) = entry.client.as_mut().filter(|_| has_failed) {
            client.fail();
        }
    }

    /// The channel of the connection that the running call is about.
    pub(super) fn channel(&self) -> Option<&str> {
        self.connections.get(&self.current).map(|entry| entry.link.channel.as_str())
    }

    /// The identifier used last, for an instance that takes over the connections of this one.
    pub(super) fn last_id(&self) -> u32 {
        self.last_id
    }

    /// Goes on where the instance stood whose connections this one takes over.
    pub(super) fn succeed(&mut self, last_id: u32, connections: usize) {
        self.last_id = last_id;
        self.connections.reserve(connections);
        self.by_channel.reserve(connections);
    }

    /// Admits a connection.
    pub(super) fn admit(&mut self, id: ConnectionId, link: Arc<Link>, scope: Arc<Scope>) {
        self.by_channel.insert(link.channel.clone(), id.0);
        let entry = Entry {
            link,
            scope,
            consumer: None,
            pending: Queued::default(),
            timers: 0,
            closing: false,
            refused: false,
            is_counted: false,
            client: None,
        };
        self.connections.insert(id.0, entry);
    }

    /// The connections that have a consumer, in no order. Those that came later have higher
    /// identifiers.
    pub(super) fn joined(&self) -> impl Iterator<Item = (ConnectionId, &Arc<Link>, &Arc<Scope>)> {
        let with_consumer = self.connections.iter().filter(|(_, entry)| entry.consumer.is_some());
        with_consumer.map(|(id, entry)| (ConnectionId(*id), &entry.link, &entry.scope))
    }

    /// A handle for the guest to own.
    pub(super) fn handle(
        &mut self,
        id: ConnectionId,
    ) -> wasmtime::Result<Resource<ConnectionHandle>> {
        if self.handles > self.connections.len() + SPARE_HANDLES {
            bail!("the guest holds {} connection handles; drop those not needed", self.handles);
        }
        self.handles += 1;
        Ok(Resource::new_own(id.0))
    }

    /// The guest dropped a handle, which closes nothing.
    pub(super) fn drop_handle(&mut self) {
        self.handles = self.handles.saturating_sub(1);
    }

    pub(super) fn set_consumer(&mut self, id: ConnectionId, consumer: ResourceAny) {
        if let Some(entry) = self.connections.get_mut(&id.0) {
            entry.consumer = Some(consumer);
        }
    }

    pub(super) fn consumer(&self, id: ConnectionId) -> Option<ResourceAny> {
        self.connections.get(&id.0)?.consumer
    }

    /// Lets a connection go; its handles answer `closed` from now on.
    pub(super) fn dismiss(&mut self, id: ConnectionId) -> Option<ResourceAny> {
        let entry = self.connections.remove(&id.0)?;
        self.by_channel.remove(&entry.link.channel);
        entry.consumer
    }

    /// The connections of this instance.
    pub(super) fn links(&self) -> impl ExactSizeIterator<Item = &Arc<Link>> {
        self.connections.values().map(|entry| &entry.link)
    }

    pub(super) fn link(&self, handle: &Resource<ConnectionHandle>) -> Option<&Arc<Link>> {
        self.connections.get(&handle.rep()).map(|entry| &entry.link)
    }

    pub(super) fn scope_of(&self, handle: &Resource<ConnectionHandle>) -> Option<&Arc<Scope>> {
        self.connections.get(&handle.rep()).map(|entry| &entry.scope)
    }

    pub(super) fn find(&self, channel: &str) -> Option<ConnectionId> {
        self.by_channel.get(channel).copied().map(ConnectionId)
    }

    /// Bytes waiting for a connection, this call's own included.
    pub(super) fn buffered(&self, handle: &Resource<ConnectionHandle>) -> usize {
        self.connections
            .get(&handle.rep())
            .map_or(0, |entry| entry.link.outbound.buffered() + entry.pending.bytes)
    }

    /// Notes that a frame of `len` bytes goes to a connection after this call.
    ///
    /// # Errors
    /// As the queue would answer.
    pub(super) fn reserve(
        &mut self,
        handle: &Resource<ConnectionHandle>,
        len: usize,
    ) -> Result<Arc<Link>, Refused> {
        let id = handle.rep();
        let entry = self.connections.get_mut(&id).ok_or(Refused::Closed)?;
        if entry.closing {
            return Err(Refused::Closed);
        }
        let probed = entry.link.outbound.probe(entry.pending, len);
        let by_client = match probed {
            Err(Refused::Closed) => true,
            // A call that sends more than an empty queue takes has itself to blame.
            Err(Refused::Full) => entry.link.outbound.fits_alone(entry.pending, len),
            Ok(()) | Err(Refused::TooLarge(_)) => false,
        };
        // Once: a guest may ask again as often as its time allows.
        if by_client && !std::mem::replace(&mut entry.refused, true) {
            self.touched.push(id);
        }
        match probed {
            Err(Refused::Full) if entry.link.outbound.closes_on_overflow() => {
                entry.closing = true;
                self.touched.push(id);
                let overflow = Effect::Overflow(Arc::clone(&entry.link));
                // The list is full: the next frame for this connection finds it over its bound too.
                let _ = self.effects.push(overflow, 0);
                return Err(Refused::Closed);
            }
            other => other?,
        }
        if entry.pending.frames == 0 {
            self.touched.push(id);
        }
        entry.pending.frames += 1;
        entry.pending.bytes += len;
        Ok(Arc::clone(&entry.link))
    }

    /// Notes that a connection closes after this call; `None` where it does already.
    pub(super) fn close(&mut self, handle: &Resource<ConnectionHandle>) -> Option<Arc<Link>> {
        let id = handle.rep();
        let entry = self.connections.get_mut(&id)?;
        if entry.closing || entry.link.outbound.is_closing() {
            return None;
        }
        entry.closing = true;
        self.touched.push(id);
        Some(Arc::clone(&entry.link))
    }

    /// Whether a frame for this connection was refused in the last call because the client has left or does not read.
    pub(super) fn was_refused(&self, id: ConnectionId) -> bool {
        self.connections.get(&id.0).is_some_and(|entry| entry.refused)
    }

    /// Whether the running call has closed a connection.
    pub(super) fn is_closing(&self, id: ConnectionId) -> bool {
        self.connections.get(&id.0).is_some_and(|entry| entry.closing)
    }

    /// Notes that a timer starts after this call; `None` where the connection has enough.
    pub(super) fn reserve_timer(
        &mut self,
        handle: &Resource<ConnectionHandle>,
    ) -> Result<Option<Arc<Link>>, Refused> {
        let id = handle.rep();
        let entry = self.connections.get_mut(&id).ok_or(Refused::Closed)?;
        if entry.link.timers.len() + entry.timers as usize >= self.around.limits.timers {
            self.around.allowance.note(Bound::Timers);
            return Ok(None);
        }
        entry.timers += 1;
        self.touched.push(id);
        Ok(Some(Arc::clone(&entry.link)))
    }

    /// Adds an effect that cannot answer: too many of them end the call.
    pub(super) fn push_or_trap(&mut self, effect: Effect) -> wasmtime::Result<()> {
        match self.effects.push(effect, 0) {
            Ok(()) => Ok(()),
            Err(TooMany) => {
                self.around.allowance.note(Bound::Effects);
                bail!("{}", TooMany::TEXT)
            }
        }
    }

    /// Takes the call's effects and forgets what it had pending.
    pub(super) fn settle(&mut self) -> Vec<Effect> {
        for id in self.touched.drain(..) {
            if let Some(entry) = self.connections.get_mut(&id) {
                entry.pending = Queued::default();
                entry.timers = 0;
                entry.closing = false;
                entry.refused = false;
            }
        }
        self.effects.take()
    }
}

#[cfg(test)]
mod tests;
