//! Places for what takes long, of which no tenant has all.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use narrowboat_core::name::Tenant;

/// So many places, so many of them for each tenant, and all for the operator.
#[derive(Debug)]
pub(super) struct ConcurrencyLimit {
    total_limit: usize,
    tenant_limit: usize,
    in_use: Mutex<HashMap<Option<Tenant>, usize>>,
}

/// A place that is taken until this is dropped.
#[derive(Debug)]
pub(super) struct ConcurrencyPermit {
    limit: Arc<ConcurrencyLimit>,
    tenant: Option<Tenant>,
}

impl ConcurrencyLimit {
    pub(super) fn new(all: usize, each: usize) -> Arc<Self> {
        Arc::new(Self { total_limit: all, tenant_limit: each, in_use: Mutex::default() })
    }

    /// A place for a tenant, or for whoever asks about all, if there is one.
    pub(super) fn try_acquire(
        self: &Arc<Self>,
        whose: Option<&Tenant>,
    ) -> Option<ConcurrencyPermit> {
        let whose = whose.cloned();
        let mut taken = self.lock();
        let all: usize = taken.values().sum();
        let own = taken.get(&whose).copied().unwrap_or_default();
        if all >= self.total_limit || (whose.is_some() && own >= self.tenant_limit) {
            return None;
        }
        taken.insert(whose.clone(), own + 1);
        drop(taken);
        Some(ConcurrencyPermit { limit: Arc::clone(self), tenant: whose })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Option<Tenant>, usize>> {
        // Nothing in here panics between two writes, so a poisoned state is still whole.
        self.in_use.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ConcurrencyPermit {
    fn drop(&mut self) {
        let mut taken = self.limit.lock();
        match taken.get_mut(&self.tenant) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(taken.remove(&self.tenant)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_tenant_has_all_places() {
        let turns = ConcurrencyLimit::new(3, 2);
        let (acme, globex) = ("acme".parse().unwrap(), "globex".parse().unwrap());
        let _first = turns.try_acquire(Some(&acme)).unwrap();
        let second = turns.try_acquire(Some(&acme)).unwrap();
        assert!(turns.try_acquire(Some(&acme)).is_none());
        let _third = turns.try_acquire(Some(&globex)).unwrap();
        assert!(turns.try_acquire(None).is_none());
        drop(second);
        assert!(turns.try_acquire(None).is_some());
    }
}
