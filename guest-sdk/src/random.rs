//! Random numbers, for plugins whose manifests say `random = true` under `[capabilities]` and whose operators grant it: the host
//! refuses any other that calls what is here.

/// Fills bytes with what nobody can guess.
#[cfg(target_family = "wasm")]
pub fn fill(bytes: &mut [u8]) {
    use crate::bindings::grantable_world::wasi::random::random;
    /// What the host gives at once.
    const MOST: usize = 65_536;
    for part in bytes.chunks_mut(MOST) {
        part.copy_from_slice(&random::get_random_bytes(part.len() as u64));
    }
}

/// A number that nobody can guess.
#[cfg(target_family = "wasm")]
pub fn number() -> u64 {
    crate::bindings::grantable_world::wasi::random::random::get_random_u64()
}

/// Fills bytes with what is good enough for a test: this is no plugin.
#[cfg(not(target_family = "wasm"))]
pub fn fill(bytes: &mut [u8]) {
    for part in bytes.chunks_mut(8) {
        part.copy_from_slice(&number().to_ne_bytes()[..part.len()]);
    }
}

/// A number that is good enough for a test.
#[cfg(not(target_family = "wasm"))]
pub fn number() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0)
}
