//! The open connections, so that a stopping host reaches each of them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustc_hash::FxHashMap;
use tokio::time::Instant;

use narrowboat_core::scope::Scope;
use narrowboat_runtime::Plugin;
use narrowboat_session::Joined;
use narrowboat_websocket::connection::Link;

/// The links of all open connections.
#[derive(Default)]
pub(super) struct Links {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    stopping: bool,
    last: u64,
    open: FxHashMap<u64, Open>,
}

/// An open connection.
#[derive(Clone)]
pub(super) struct Open {
    /// Higher than that of those that came before.
    pub(super) id: u64,
    pub(super) link: Arc<Link>,
    pub(super) plugin: Arc<Plugin>,
    pub(super) scope: Arc<Scope>,
    pub(super) since: Instant,
}

/// A place on the list, given up when dropped.
pub(super) struct Listed<'a> {
    list: &'a Links,
    id: u64,
}

impl Links {
    /// Lists a connection. One that comes while the host stops is told so at once.
    pub(super) fn list(&self, joined: &Joined) -> Listed<'_> {
        let link = Arc::clone(joined.link());
        let mut state = self.lock();
        if state.stopping {
            link.outbound.stop();
        }
        state.last += 1;
        let id = state.last;
        let (plugin, scope) = (Arc::clone(joined.plugin()), Arc::clone(joined.scope()));
        state.open.insert(id, Open { id, link, plugin, scope, since: Instant::now() });
        Listed { list: self, id }
    }

    /// The connections that are open now, in no order.
    pub(super) fn open(&self) -> Vec<Open> {
        self.lock().open.values().cloned().collect()
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.lock().open.len()
    }

    /// How many there are of each plugin, by its label.
    pub(super) fn count_by_plugin(&self) -> HashMap<Arc<str>, u64> {
        let mut counts = HashMap::new();
        for open in self.lock().open.values() {
            *counts.entry(Arc::clone(&open.plugin.label)).or_default() += 1;
        }
        counts
    }

    /// Tells every connection that the host stops.
    pub(super) fn stop(&self) {
        let links: Vec<_> = {
            let mut state = self.lock();
            state.stopping = true;
            state.open.values().map(|open| Arc::clone(&open.link)).collect()
        };
        links.iter().for_each(|link| link.outbound.stop());
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in here panics between two writes, so a poisoned state is still whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Listed<'_> {
    fn drop(&mut self) {
        let open = self.list.lock().open.remove(&self.id);
        drop(open);
    }
}
