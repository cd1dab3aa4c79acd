//! Places for what takes long, of which no tenant has all.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use narrowboat_core::name::Tenant;

/// So many places, so many of them for each tenant, and all for the operator.
#[derive(Debug)]
pub(super) struct Turns {
    all: usize,
    each: usize,
    taken: Mutex<HashMap<Option<Tenant>, usize>>,
}

/// A place that is taken until this is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    turns: Arc<Turns>,
    whose: Option<Tenant>,
}

impl Turns {
    pub(super) fn new(all: usize, each: usize) -> Arc<Self> {
        Arc::new(Self { all, each, taken: Mutex::default() })
    }

    /// A place for a tenant, or for whoever asks about all, if there is one.
    pub(super) fn take(self: &Arc<Self>, whose: Option<&Tenant>) -> Option<Turn> {
        let whose = whose.cloned();
        let mut taken = self.lock();
        let all: usize = taken.values().sum();
        let own = taken.get(&whose).copied().unwrap_or_default();
        if all >= self.all || (whose.is_some() && own >= self.each) {
            return None;
        }
        taken.insert(whose.clone(), own + 1);
        drop(taken);
        Some(Turn { turns: Arc::clone(self), whose })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Option<Tenant>, usize>> {
        // Nothing in here panics between two writes, so a poisoned state is still whole.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut taken = self.turns.lock();
        match taken.get_mut(&self.whose) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(taken.remove(&self.whose)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_tenant_has_all_places() {
        let turns = Turns::new(3, 2);
        let (acme, globex) = ("acme".parse().unwrap(), "globex".parse().unwrap());
        let _first = turns.take(Some(&acme)).unwrap();
        let second = turns.take(Some(&acme)).unwrap();
        assert!(turns.take(Some(&acme)).is_none());
        let _third = turns.take(Some(&globex)).unwrap();
        assert!(turns.take(None).is_none());
        drop(second);
        assert!(turns.take(None).is_some());
    }
}
