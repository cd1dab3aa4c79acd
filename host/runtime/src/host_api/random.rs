//! `wasi:random`: random numbers, all from the cryptographic generator of the process.

use wasmtime::bail;

use crate::bindings::grantable_world::wasi::random::{insecure, insecure_seed, random};
use crate::store::GuestState;

/// The largest number of bytes in one call. Browsers have the same limit.
const MAX_RANDOM_BYTES: u64 = 65_536;

fn random_bytes(len: u64) -> wasmtime::Result<Vec<u8>> {
    match usize::try_from(len) {
        Ok(count) if len <= MAX_RANDOM_BYTES => {
            let mut bytes = vec![0; count];
            rand::fill(&mut bytes[..]);
            Ok(bytes)
        }
        _ => bail!("cannot return {len} random bytes at once: the limit is {MAX_RANDOM_BYTES}"),
    }
}

impl random::Host for GuestState {
    fn get_random_bytes(&mut self, len: u64) -> wasmtime::Result<Vec<u8>> {
        random_bytes(len)
    }

    fn get_random_u64(&mut self) -> wasmtime::Result<u64> {
        Ok(rand::random())
    }
}

impl insecure::Host for GuestState {
    fn get_insecure_random_bytes(&mut self, len: u64) -> wasmtime::Result<Vec<u8>> {
        random_bytes(len)
    }

    fn get_insecure_random_u64(&mut self) -> wasmtime::Result<u64> {
        Ok(rand::random())
    }
}

impl insecure_seed::Host for GuestState {
    fn insecure_seed(&mut self) -> wasmtime::Result<(u64, u64)> {
        Ok(rand::random())
    }
}
