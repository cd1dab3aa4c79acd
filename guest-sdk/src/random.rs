//! Random numbers of the host's generator. They need no capability.

/// Fills `bytes` with cryptographically secure random bytes.
#[cfg(target_family = "wasm")]
pub fn fill(bytes: &mut [u8]) {
    use crate::bindings::grantable_world::wasi::random::random;
    /// The most bytes that the host returns from one call.
    const MAX_BYTES: usize = 65_536;
    for part in bytes.chunks_mut(MAX_BYTES) {
        part.copy_from_slice(&random::get_random_bytes(part.len() as u64));
    }
}

/// Returns a cryptographically secure random number.
#[cfg(target_family = "wasm")]
pub fn number() -> u64 {
    crate::bindings::grantable_world::wasi::random::random::get_random_u64()
}

/// Fills `bytes` with random bytes in a test of a plugin. In a plugin they are cryptographically secure.
#[cfg(not(target_family = "wasm"))]
pub fn fill(bytes: &mut [u8]) {
    for part in bytes.chunks_mut(8) {
        part.copy_from_slice(&number().to_ne_bytes()[..part.len()]);
    }
}

/// Returns a random number in a test of a plugin. In a plugin it is cryptographically secure.
#[cfg(not(target_family = "wasm"))]
pub fn number() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0)
}
