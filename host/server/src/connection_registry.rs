//! The open connections, for drains, reloads, the admin API and the stop of the host.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustc_hash::FxHashMap;
use tokio::time::Instant;

use narrowboat_core::scope::Scope;
use narrowboat_runtime::Plugin;
use narrowboat_session::AcceptedConsumer;
use narrowboat_websocket::connection::ConnectionHandle;

/// The open connections of a host.
#[derive(Default)]
pub(crate) struct ConnectionRegistry {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    is_stopping: bool,
    last_id: u64,
    connections: FxHashMap<u64, OpenConnection>,
}

/// An open connection.
#[derive(Clone)]
pub(crate) struct OpenConnection {
    /// Connections that open later have higher IDs.
    pub(crate) id: u64,
    pub(crate) handle: Arc<ConnectionHandle>,
    pub(crate) plugin: Arc<Plugin>,
    pub(crate) scope: Arc<Scope>,
    pub(crate) opened_at: Instant,
}

/// Removes a connection from the registry when dropped.
pub(crate) struct ConnectionGuard<'a> {
    registry: &'a ConnectionRegistry,
    id: u64,
}

impl ConnectionRegistry {
    /// Registers a connection until the guard is dropped. A connection that opens while the host stops gets the stop signal
    /// at once.
    pub(crate) fn register(&self, consumer: &AcceptedConsumer) -> ConnectionGuard<'_> {
        let handle = Arc::clone(consumer.control());
        let mut inner = self.lock();
        if inner.is_stopping {
            handle.outbound.signal_stop();
        }
        inner.last_id += 1;
        let id = inner.last_id;
        let (plugin, scope) = (Arc::clone(consumer.plugin()), Arc::clone(consumer.scope()));
        inner
            .connections
            .insert(id, OpenConnection { id, handle, plugin, scope, opened_at: Instant::now() });
        ConnectionGuard { registry: self, id }
    }

    /// The open connections, in no particular order.
    pub(crate) fn connections(&self) -> Vec<OpenConnection> {
        self.lock().connections.values().cloned().collect()
    }

    /// The number of open connections.
    pub(crate) fn count(&self) -> usize {
        self.lock().connections.len()
    }

    /// The number of open connections of each plugin, by the label of the plugin.
    pub(crate) fn count_by_plugin(&self) -> HashMap<Arc<str>, u64> {
        let mut counts = HashMap::new();
        for open in self.lock().connections.values() {
            *counts.entry(Arc::clone(&open.plugin.label)).or_default() += 1;
        }
        counts
    }

    /// Sends the stop signal to every connection, and to those that open from now on.
    pub(crate) fn stop_all(&self) {
        let handles: Vec<_> = {
            let mut inner = self.lock();
            inner.is_stopping = true;
            inner.connections.values().map(|open| Arc::clone(&open.handle)).collect()
        };
        handles.iter().for_each(|handle| handle.outbound.signal_stop());
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // No code panics between two writes, so a poisoned state is consistent.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ConnectionGuard<'_> {
    fn drop(&mut self) {
        let open = self.registry.lock().connections.remove(&self.id);
        drop(open);
    }
}
