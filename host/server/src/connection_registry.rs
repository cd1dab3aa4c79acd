//! The open connections, so that a stopping host reaches each of them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustc_hash::FxHashMap;
use tokio::time::Instant;

use narrowboat_core::scope::Scope;
use narrowboat_runtime::Plugin;
use narrowboat_session::AcceptedConsumer;
use narrowboat_websocket::connection::ConnectionHandle;

/// The links of all open connections.
#[derive(Default)]
pub(super) struct ConnectionRegistry {
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
pub(super) struct OpenConnection {
    /// Higher than that of those that came before.
    pub(super) id: u64,
    pub(super) handle: Arc<ConnectionHandle>,
    pub(super) plugin: Arc<Plugin>,
    pub(super) scope: Arc<Scope>,
    pub(super) opened_at: Instant,
}

/// A place on the list, given up when dropped.
pub(super) struct ConnectionGuard<'a> {
    registry: &'a ConnectionRegistry,
    id: u64,
}

impl ConnectionRegistry {
    /// Lists a connection. One that comes while the host stops is told so at once.
    pub(super) fn register(&self, joined: &AcceptedConsumer) -> ConnectionGuard<'_> {
        let link = Arc::clone(joined.control());
        let mut state = self.lock();
        if state.is_stopping {
            link.outbound.signal_stop();
        }
        state.last_id += 1;
        let id = state.last_id;
        let (plugin, scope) = (Arc::clone(joined.plugin()), Arc::clone(joined.scope()));
        state.connections.insert(
            id,
            OpenConnection { id, handle: link, plugin, scope, opened_at: Instant::now() },
        );
        ConnectionGuard { registry: self, id }
    }

    /// The connections that are open now, in no order.
    pub(super) fn connections(&self) -> Vec<OpenConnection> {
        self.lock().connections.values().cloned().collect()
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.lock().connections.len()
    }

    /// How many there are of each plugin, by its label.
    pub(super) fn count_by_plugin(&self) -> HashMap<Arc<str>, u64> {
        let mut counts = HashMap::new();
        for open in self.lock().connections.values() {
            *counts.entry(Arc::clone(&open.plugin.label)).or_default() += 1;
        }
        counts
    }

    /// Tells every connection that the host stops.
    pub(super) fn stop_all(&self) {
        let links: Vec<_> = {
            let mut state = self.lock();
            state.is_stopping = true;
            state.connections.values().map(|open| Arc::clone(&open.handle)).collect()
        };
        links.iter().for_each(|link| link.outbound.signal_stop());
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing in here panics between two writes, so a poisoned state is still whole.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ConnectionGuard<'_> {
    fn drop(&mut self) {
        let open = self.registry.lock().connections.remove(&self.id);
        drop(open);
    }
}
