//! The keys of entries in the file.

use crate::Bucket;
use crate::bucket::BucketOwner;
use crate::entry_size::ENTRY_OVERHEAD_BYTES;

/// The byte after the name of an owner and after the name of a bucket. Names do not have it.
pub(super) const SEPARATOR: u8 = 0;

/// Returns the name of an owner in keys. No tenant has an empty name, so that is the host's.
pub(super) fn owner_name(owner: &BucketOwner) -> &str {
    match owner {
        BucketOwner::Host => "",
        BucketOwner::Tenant(tenant) => tenant.as_str(),
    }
}

/// Returns the key in the file for a key of a bucket: owner, bucket and key. Keys of a bucket are together, in the order
/// of their bytes. With an empty key it is the beginning of all keys of the bucket.
pub(super) fn entry_key(bucket: &Bucket, key: &str) -> Vec<u8> {
    let owner = owner_name(bucket.owner());
    let parts =
        [owner.as_bytes(), &[SEPARATOR], bucket.name().as_bytes(), &[SEPARATOR], key.as_bytes()];
    parts.concat()
}

/// Returns the owner in a key of the file.
pub(super) fn owner_of(entry_key: &[u8]) -> &[u8] {
    entry_key.split(|byte| *byte == SEPARATOR).next().unwrap_or_default()
}

/// Returns the bytes that an entry counts for in its owner's quota.
pub(super) fn counted_bytes(entry_key: &[u8], value_len: usize) -> u64 {
    let names = entry_key.len().saturating_sub(owner_of(entry_key).len() + 2);
    (ENTRY_OVERHEAD_BYTES + names + value_len) as u64
}
