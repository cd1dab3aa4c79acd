//! The connections of one instance, and what the running call has queued for each of them.

use std::collections::HashMap;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use wasmtime::bail;
use wasmtime::component::{Resource, ResourceAny};

use crate::call::{ConnectionId, WitConnection};
use crate::effects::{Effect, Effects};
use crate::stats::{ClientSlot, ClientTracker};
use narrowboat_core::name::ChannelName;
use narrowboat_core::scope::Scope;
use narrowboat_websocket::connection::{ConnectionHandle, PendingSize, PushError};

/// Handles that a guest may hold for each connection: `everyone` returns a new one for each of them.
const HANDLES_PER_CONNECTION: usize = 4;

/// Handles that a guest may hold in addition to those: `find` returns a new handle each time.
const SPARE_HANDLES: usize = 1_024;

/// The connections of one instance.
#[derive(Default)]
pub(crate) struct ConnectionTable {
    by_id: FxHashMap<u32, InstanceConnection>,
    /// Uses the default hash, which guests cannot steer: the guest chooses the names that are looked up.
    by_channel: HashMap<ChannelName, u32>,
    /// Connections that the running call has queued something for.
    touched_ids: Vec<u32>,
    /// Connections of which a frame of the running event was refused.
    refused_ids: Vec<u32>,
    last_id: u32,
    /// The connection that the running call is about; 0 if the call is not about a connection.
    current_id: u32,
    handle_count: usize,
}

/// One connection of the instance.
struct InstanceConnection {
    connection: Arc<ConnectionHandle>,
    /// The scope of the handshake. A restart passes it to a consumer of another version.
    scope: Arc<Scope>,
    /// The guest's object, once the guest has accepted the connection.
    consumer: Option<ResourceAny>,
    /// Frames and bytes that the running call has queued for the connection.
    pending: PendingSize,
    /// The part of `pending` that earlier events of the running call have queued.
    pending_of_ended: PendingSize,
    /// Timers that the running call has set on the connection.
    new_timer_count: u32,
    /// Whether the consumer has not decided about the handshake yet.
    is_undecided: bool,
    /// Whether the running call has closed the connection.
    is_closing: bool,
    /// Whether a frame of the running event was refused because the client has left or does not read.
    send_refused: bool,
    /// Whether the connection has had an event while clients were tracked.
    is_counted: bool,
    /// The connection's slot among the clients of the version. Boxed, because only connections of a version whose
    /// clients are tracked have one.
    client: Option<Box<ClientSlot>>,
}

impl InstanceConnection {
    fn new(connection: Arc<ConnectionHandle>, scope: Arc<Scope>) -> Self {
        Self {
            connection,
            scope,
            consumer: None,
            pending: PendingSize::default(),
            pending_of_ended: PendingSize::default(),
            new_timer_count: 0,
            is_undecided: false,
            is_closing: false,
            send_refused: false,
            is_counted: false,
            client: None,
        }
    }

    /// Whether the client is to blame for a refused frame of `len` bytes: it has left, or does not read. An event for
    /// which the guest sends more than an empty queue holds is to blame itself.
    fn is_refused_by_client(&self, checked: Result<(), PushError>, len: usize) -> bool {
        match checked {
            Err(PushError::Closed) => true,
            Err(PushError::Full) => {
                let PendingSize { frames, bytes } = self.pending_of_ended;
                let pending = PendingSize {
                    frames: self.pending.frames - frames,
                    bytes: self.pending.bytes - bytes,
                };
                self.connection.outbound.fits_when_empty(pending, len)
            }
            Ok(()) | Err(PushError::TooLarge(_)) => false,
        }
    }

    fn reset_call(&mut self) {
        self.pending = PendingSize::default();
        self.pending_of_ended = PendingSize::default();
        self.new_timer_count = 0;
        self.is_closing = false;
    }
}

impl ConnectionTable {
    /// Returns an identifier that no connection of this instance has had.
    pub(crate) fn next_id(&mut self) -> ConnectionId {
        self.last_id += 1;
        ConnectionId(self.last_id)
    }

    /// The identifier used last.
    pub(crate) fn last_id(&self) -> u32 {
        self.last_id
    }

    /// Continues the identifiers of an instance whose `count` connections this one takes over.
    pub(crate) fn inherit_ids(&mut self, last_id: u32, count: usize) {
        self.last_id = last_id;
        self.by_id.reserve(count);
        self.by_channel.reserve(count);
    }

    /// Sets the connection that the next call is about.
    pub(crate) fn set_current(&mut self, id: ConnectionId) {
        self.current_id = id.0;
    }

    /// Records that the next call is not about a connection.
    pub(crate) fn clear_current(&mut self) {
        self.current_id = 0;
    }

    /// The channel of the connection that the running call is about.
    pub(crate) fn current_channel(&self) -> Option<&str> {
        self.by_id.get(&self.current_id).map(|entry| entry.connection.channel.as_str())
    }

    /// Adds a connection without a consumer.
    pub(crate) fn insert(
        &mut self,
        id: ConnectionId,
        connection: Arc<ConnectionHandle>,
        scope: Arc<Scope>,
    ) {
        self.by_channel.insert(connection.channel.clone(), id.0);
        self.by_id.insert(id.0, InstanceConnection::new(connection, scope));
    }

    /// Removes a connection and returns its consumer. Its handles answer `closed` from then on.
    pub(crate) fn remove(&mut self, id: ConnectionId) -> Option<ResourceAny> {
        let entry = self.by_id.remove(&id.0)?;
        self.by_channel.remove(&entry.connection.channel);
        entry.consumer
    }

    /// All connections, in no order.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &Arc<ConnectionHandle>> {
        self.by_id.values().map(|entry| &entry.connection)
    }

    /// The connections that have a consumer, in no order. Later connections have higher identifiers.
    pub(crate) fn with_consumer(
        &self,
    ) -> impl Iterator<Item = (ConnectionId, &Arc<ConnectionHandle>, &Arc<Scope>)> {
        let with_consumer = self.by_id.iter().filter(|(_, entry)| entry.consumer.is_some());
        with_consumer.map(|(id, entry)| (ConnectionId(*id), &entry.connection, &entry.scope))
    }

    /// Records whether the consumer of a connection still has to decide about the handshake.
    pub(crate) fn set_undecided(&mut self, id: ConnectionId, is_undecided: bool) {
        if let Some(entry) = self.by_id.get_mut(&id.0) {
            entry.is_undecided = is_undecided;
        }
    }

    /// The connections that consumers have accepted, in the order of their handshakes.
    pub(crate) fn sorted_accepted(&self) -> Vec<ConnectionId> {
        let entries = self.by_id.iter();
        let accepted = entries.filter(|(_, entry)| entry.consumer.is_some() && !entry.is_undecided);
        let mut ids: Vec<_> = accepted.map(|(id, _)| ConnectionId(*id)).collect();
        ids.sort_unstable();
        ids
    }

    /// The guest's object of a connection.
    pub(crate) fn consumer(&self, id: ConnectionId) -> Option<ResourceAny> {
        self.by_id.get(&id.0)?.consumer
    }

    /// Sets the guest's object of a connection.
    pub(crate) fn set_consumer(&mut self, id: ConnectionId, consumer: ResourceAny) {
        if let Some(entry) = self.by_id.get_mut(&id.0) {
            entry.consumer = Some(consumer);
        }
    }

    /// Returns a handle for the guest to own.
    ///
    /// # Errors
    /// If the guest holds too many handles.
    pub(crate) fn new_handle(
        &mut self,
        id: ConnectionId,
    ) -> wasmtime::Result<Resource<WitConnection>> {
        if self.handle_count > HANDLES_PER_CONNECTION * self.by_id.len() + SPARE_HANDLES {
            bail!(
                "the guest holds {} connection handles; drop the handles that it does not need",
                self.handle_count
            );
        }
        self.handle_count += 1;
        Ok(Resource::new_own(id.0))
    }

    /// Counts a handle that the guest has dropped. This closes nothing.
    pub(crate) fn drop_handle(&mut self) {
        self.handle_count = self.handle_count.saturating_sub(1);
    }

    /// The connection of a handle.
    pub(crate) fn get(&self, handle: &Resource<WitConnection>) -> Option<&Arc<ConnectionHandle>> {
        self.by_id.get(&handle.rep()).map(|entry| &entry.connection)
    }

    /// The scope of a handle's connection.
    pub(crate) fn scope(&self, handle: &Resource<WitConnection>) -> Option<&Arc<Scope>> {
        self.by_id.get(&handle.rep()).map(|entry| &entry.scope)
    }

    /// The connection that has this channel.
    pub(crate) fn find(&self, channel: &str) -> Option<ConnectionId> {
        self.by_channel.get(channel).copied().map(ConnectionId)
    }

    /// Bytes that wait for a connection, including those of the running call.
    pub(crate) fn buffered_bytes(&self, handle: &Resource<WitConnection>) -> usize {
        let entry = self.by_id.get(&handle.rep());
        entry.map_or(0, |entry| entry.connection.outbound.buffered_bytes() + entry.pending.bytes)
    }

    /// Reserves room for a frame of `len` bytes that is sent after the running call. If the queue of the connection is
    /// full and its policy is to close, adds [`Effect::Overflow`] to `effects`.
    ///
    /// # Errors
    /// The error that the queue of the connection would return.
    pub(crate) fn reserve_send(
        &mut self,
        ConnectionId(id): ConnectionId,
        len: usize,
        effects: &mut Effects,
    ) -> Result<Arc<ConnectionHandle>, PushError> {
        let entry = self.by_id.get_mut(&id).ok_or(PushError::Closed)?;
        if entry.is_closing {
            return Err(PushError::Closed);
        }
        let checked = entry.connection.outbound.check_push(entry.pending, len);
        // Only the first refusal is recorded: a guest may try as often as its time allows.
        if entry.is_refused_by_client(checked, len)
            && !std::mem::replace(&mut entry.send_refused, true)
        {
            self.refused_ids.push(id);
        }
        if checked == Err(PushError::Full) && entry.connection.outbound.closes_on_overflow() {
            entry.is_closing = true;
            self.touched_ids.push(id);
            let overflow = Effect::Overflow(Arc::clone(&entry.connection));
            // If the list of effects is full, the next frame for this connection overflows the queue too.
            let _ = effects.push(overflow, 0);
            return Err(PushError::Closed);
        }
        checked?;
        if entry.pending.frames == 0 {
            self.touched_ids.push(id);
        }
        entry.pending.frames += 1;
        entry.pending.bytes += len;
        Ok(Arc::clone(&entry.connection))
    }

    /// Marks a connection that closes after the running call. `None` if it is closing already.
    pub(crate) fn mark_closing(
        &mut self,
        handle: &Resource<WitConnection>,
    ) -> Option<Arc<ConnectionHandle>> {
        let id = handle.rep();
        let entry = self.by_id.get_mut(&id)?;
        if entry.is_closing || entry.connection.outbound.is_closing() {
            return None;
        }
        entry.is_closing = true;
        self.touched_ids.push(id);
        Some(Arc::clone(&entry.connection))
    }

    /// Whether a frame of the last event was refused because the client has left or does not read.
    pub(crate) fn was_send_refused(&self, id: ConnectionId) -> bool {
        self.by_id.get(&id.0).is_some_and(|entry| entry.send_refused)
    }

    /// Reserves one of the `limit` timers of a connection. `None` if the connection has no timer left.
    ///
    /// # Errors
    /// [`PushError::Closed`].
    pub(crate) fn reserve_timer(
        &mut self,
        handle: &Resource<WitConnection>,
        limit: usize,
    ) -> Result<Option<Arc<ConnectionHandle>>, PushError> {
        let id = handle.rep();
        let entry = self.by_id.get_mut(&id).ok_or(PushError::Closed)?;
        if entry.connection.timers.len() + entry.new_timer_count as usize >= limit {
            return Ok(None);
        }
        entry.new_timer_count += 1;
        self.touched_ids.push(id);
        Ok(Some(Arc::clone(&entry.connection)))
    }

    /// Whether a connection gets another event of the running call: it is not closing because of that call.
    pub(crate) fn accepts_event(&self, id: ConnectionId) -> bool {
        self.by_id.get(&id.0).is_some_and(|entry| !entry.is_closing)
    }

    /// Begins the next event of the running call.
    pub(crate) fn begin_next_event(&mut self) {
        self.reset_refusals();
        for id in &self.touched_ids {
            if let Some(entry) = self.by_id.get_mut(id) {
                entry.pending_of_ended = entry.pending;
            }
        }
    }

    /// Resets what the last call has queued.
    pub(crate) fn reset_call(&mut self) {
        self.reset_refusals();
        for id in self.touched_ids.drain(..) {
            if let Some(entry) = self.by_id.get_mut(&id) {
                entry.reset_call();
            }
        }
    }

    fn reset_refusals(&mut self) {
        for id in self.refused_ids.drain(..) {
            if let Some(entry) = self.by_id.get_mut(&id) {
                entry.send_refused = false;
            }
        }
    }

    /// Counts the client that the last call was about among the clients of its version. `is_accepted` says whether that
    /// call accepted its handshake, and `has_failed` whether the call failed.
    pub(crate) fn count_client(
        &mut self,
        clients: &Arc<ClientTracker>,
        is_accepted: bool,
        has_failed: bool,
    ) {
        let Some(entry) = self.by_id.get_mut(&self.current_id) else { return };
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

    /// Connections that the running call has queued something for.
    #[cfg(test)]
    pub(crate) fn touched_count(&self) -> usize {
        self.touched_ids.len() + self.refused_ids.len()
    }
}
