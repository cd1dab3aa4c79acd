//! Maps whose keys are addresses of shared values.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, DefaultHasher};
use std::sync::Arc;

/// Hashes addresses. Nobody outside can choose an address, so the hasher needs no random keys and no memory for them.
pub(super) type PointerHasher = BuildHasherDefault<DefaultHasher>;

/// Values by the [address](pointer_address) of another value, which is fixed while the map's owner refers to it.
pub(super) type PointerMap<V> = HashMap<usize, V, PointerHasher>;

/// Returns the address of a shared value.
pub(super) fn pointer_address<T>(value: &Arc<T>) -> usize {
    Arc::as_ptr(value).addr()
}
