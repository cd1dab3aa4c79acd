//! Takes all memory there is before it does anything, and then more.

use std::hint::black_box;

use narrowboat_guest::prelude::*;

/// What is asked for at a time, in bytes.
const BLOCK_BYTES: usize = 1 << 20;

#[derive(Serialize, Deserialize)]
struct MemoryBomb;

impl Consumer for MemoryBomb {
    type Message = NoMessage;

    fn connect(_: &Scope, _: &Connection) -> Result<Accept<Self>, Deny> {
        Ok(accept(MemoryBomb))
    }
}

/// What WebAssembly's tools run when an instance is made.
#[expect(unsafe_code, reason = "the name is what makes it run")]
#[unsafe(export_name = "_initialize")]
extern "C" fn initialize() {
    let mut kept = Vec::new();
    loop {
        kept.push(black_box(vec![1_u8; BLOCK_BYTES]));
    }
}

narrowboat_guest::export!(MemoryBomb);
