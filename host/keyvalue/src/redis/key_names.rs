//! The names of the Redis keys of the store.

use crate::Bucket;
use crate::bucket::BucketOwner;
use narrowboat_core::name::Tenant;

/// Names the Redis keys of buckets and their owners.
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
        self.bucket_key_start(bucket) + bucket.name()
    }

    /// Returns the beginning of the keys of an owner's buckets. The name of the bucket follows.
    pub(super) fn bucket_key_start(&self, bucket: &Bucket) -> String {
        format!("{}:bucket:", self.owner_prefix(bucket.owner()))
    }

    /// Returns the key of the number of bytes that the buckets of an owner count for. No bucket has this key.
    pub(super) fn used_bytes_key(&self, bucket: &Bucket) -> String {
        format!("{}:bytes", self.owner_prefix(bucket.owner()))
    }

    /// Returns the key of the sorted set of an owner's entries that expire. No bucket has this key.
    pub(super) fn expiries_key(&self, bucket: &Bucket) -> String {
        format!("{}:expiries", self.owner_prefix(bucket.owner()))
    }

    /// Returns the key of the hash of the leases of a tenant's rooms. No bucket has this key.
    pub(super) fn leases_key(&self, bucket: &Bucket) -> String {
        format!("{}:leases", self.owner_prefix(bucket.owner()))
    }

    /// Returns the key of the sorted set of the times at which those leases end. No bucket has this key.
    pub(super) fn lease_times_key(&self, bucket: &Bucket) -> String {
        format!("{}:lease-times", self.owner_prefix(bucket.owner()))
    }

    /// Returns the key of the sorted set of the alarms of a plugin's rooms. No bucket has this key.
    pub(super) fn alarms_key(&self, bucket: &Bucket, plugin: &str) -> String {
        format!("{}:alarms:{plugin}", self.owner_prefix(bucket.owner()))
    }

    /// Returns the beginning of an owner's keys, in the form that keys of a layer have. Keys of the default tenant have
    /// no `@`. No tenant has an empty name, so the host's own keys have `@@`.
    fn owner_prefix(&self, owner: &BucketOwner) -> String {
        match owner {
            BucketOwner::Host => format!("{}@@", self.prefix),
            BucketOwner::Tenant(tenant) if *tenant == Tenant::default_tenant() => {
                self.prefix.clone()
            }
            BucketOwner::Tenant(tenant) => format!("{}@{tenant}@", self.prefix),
        }
    }
}

/// Returns the member of an owner's sorted set for a key. Names of buckets have no colon.
pub(super) fn expiry_member(bucket: &Bucket, key: &str) -> String {
    format!("{}:{key}", bucket.name())
}
