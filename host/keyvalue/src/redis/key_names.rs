//! The names of the Redis keys of the store.

use crate::Bucket;
use narrowboat_core::name::Tenant;

/// Names the Redis keys of buckets and tenants.
#[derive(Debug)]
pub(super) struct KeyNames {
    prefix: String,
}

impl KeyNames {
    pub(super) fn new(prefix: String) -> Self {
        Self { prefix }
    }

    /// Returns the key of the hash with the entries of a bucket.
    pub(super) fn bucket_key(&self, bucket: &Bucket) -> String {
        format!("{}:bucket:{}", self.tenant_prefix(bucket.tenant()), bucket.name())
    }

    /// Returns the key of the number of bytes that the buckets of a tenant count for. No bucket has this key.
    pub(super) fn used_bytes_key(&self, bucket: &Bucket) -> String {
        format!("{}:bytes", self.tenant_prefix(bucket.tenant()))
    }

    /// Returns the beginning of a tenant's keys, in the form that keys of a layer have. Keys of the default tenant have
    /// no `@`.
    fn tenant_prefix(&self, tenant: &Tenant) -> String {
        match *tenant == Tenant::default_tenant() {
            true => self.prefix.clone(),
            false => format!("{}@{tenant}@", self.prefix),
        }
    }
}
