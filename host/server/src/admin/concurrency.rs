//! Bounds on concurrent operations, of which one tenant cannot use all.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use narrowboat_core::name::Tenant;

/// A bound on concurrent operations: of all tenants together, of each tenant, and of the operator, whose operations do not
/// count with those of tenants.
#[derive(Debug)]
pub(super) struct ConcurrencyLimit {
    total_limit: usize,
    tenant_limit: usize,
    in_use: Mutex<HashMap<Option<Tenant>, usize>>,
}

/// The permit of one operation. Released when dropped.
#[derive(Debug)]
pub(super) struct ConcurrencyPermit {
    limit: Arc<ConcurrencyLimit>,
    tenant: Option<Tenant>,
}

impl ConcurrencyLimit {
    /// A bound of `total_limit` operations of all tenants, of `tenant_limit` operations of each tenant, and of `total_limit`
    /// operations of the operator.
    pub(super) fn new(total_limit: usize, tenant_limit: usize) -> Arc<Self> {
        Arc::new(Self { total_limit, tenant_limit, in_use: Mutex::default() })
    }

    /// Acquires a permit for a tenant, or for the operator with `None`. Returns `None` if a bound is reached.
    pub(super) fn try_acquire(
        self: &Arc<Self>,
        tenant: Option<&Tenant>,
    ) -> Option<ConcurrencyPermit> {
        let tenant = tenant.cloned();
        let mut in_use = self.lock();
        let own = in_use.get(&tenant).copied().unwrap_or_default();
        let of_operator = in_use.get(&None).copied().unwrap_or_default();
        let of_tenants = in_use.values().sum::<usize>() - of_operator;
        let is_full = match tenant {
            Some(_) => of_tenants >= self.total_limit || own >= self.tenant_limit,
            None => of_operator >= self.total_limit,
        };
        if is_full {
            return None;
        }
        in_use.insert(tenant.clone(), own + 1);
        drop(in_use);
        Some(ConcurrencyPermit { limit: Arc::clone(self), tenant })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Option<Tenant>, usize>> {
        // Nothing in here panics between two writes, so a poisoned state is still whole.
        self.in_use.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ConcurrencyPermit {
    fn drop(&mut self) {
        let mut in_use = self.limit.lock();
        match in_use.get_mut(&self.tenant) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(in_use.remove(&self.tenant)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_tenant_cannot_acquire_all_permits() {
        let limit = ConcurrencyLimit::new(3, 2);
        let (acme, globex) = ("acme".parse().unwrap(), "globex".parse().unwrap());
        let _first = limit.try_acquire(Some(&acme)).unwrap();
        let second = limit.try_acquire(Some(&acme)).unwrap();
        assert!(limit.try_acquire(Some(&acme)).is_none());
        let _third = limit.try_acquire(Some(&globex)).unwrap();
        assert!(limit.try_acquire(Some(&globex)).is_none());
        drop(second);
        assert!(limit.try_acquire(Some(&globex)).is_some());
    }

    #[test]
    fn tenants_cannot_acquire_the_permits_of_the_operator() {
        let limit = ConcurrencyLimit::new(1, 1);
        let _tenant = limit.try_acquire(Some(&"acme".parse().unwrap())).unwrap();
        let _operator = limit.try_acquire(None).unwrap();
        assert!(limit.try_acquire(None).is_none());
    }
}
