//! The open connections, so that a stopping host reaches each of them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustc_hash::FxHashMap;

use crate::connection::Link;

/// The links of all open connections.
#[derive(Default)]
pub(super) struct Links {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    stopping: bool,
    last: u64,
    links: FxHashMap<u64, Arc<Link>>,
}

/// A place on the list, given up when dropped.
pub(super) struct Listed<'a> {
    list: &'a Links,
    id: u64,
}

impl Links {
    /// Lists a connection. One that comes while the host stops is told so at once.
    pub(super) fn list(&self, link: Arc<Link>) -> Listed<'_> {
        let mut state = self.lock();
        if state.stopping {
            link.outbound.stop();
        }
        state.last += 1;
        let id = state.last;
        state.links.insert(id, link);
        Listed { list: self, id }
    }

    /// Tells every connection that the host stops.
    pub(super) fn stop(&self) {
        let links: Vec<_> = {
            let mut state = self.lock();
            state.stopping = true;
            state.links.values().cloned().collect()
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
        self.list.lock().links.remove(&self.id);
    }
}
