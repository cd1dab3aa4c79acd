//! The tenants of a layer.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use narrowboat_core::name::Tenant;

/// The state of each tenant of a layer. Grows only with the tenants that the operator configured.
pub(crate) struct LayerTenants<T>(RwLock<HashMap<Tenant, Arc<T>>>);

impl<T> Default for LayerTenants<T> {
    fn default() -> Self {
        Self(RwLock::default())
    }
}

impl<T> LayerTenants<T> {
    /// Returns the state of a tenant, which `create` makes if need be. Then `on_created` gets it, once others find it.
    pub(crate) fn get_or_create(
        &self,
        tenant: &Tenant,
        create: impl FnOnce() -> T,
        on_created: impl FnOnce(&Arc<T>),
    ) -> Arc<T> {
        let tenants = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = tenants.get(tenant) {
            return Arc::clone(found);
        }
        drop(tenants);
        let mut tenants = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = tenants.get(tenant) {
            return Arc::clone(found);
        }
        let created = Arc::new(create());
        tenants.insert(tenant.clone(), Arc::clone(&created));
        drop(tenants);
        on_created(&created);
        created
    }

    /// Returns the states of all tenants.
    pub(crate) fn all(&self) -> Vec<Arc<T>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}
