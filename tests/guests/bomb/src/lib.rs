//! Allocates memory while it is instantiated, until the host refuses more.

use std::hint::black_box;

use narrowboat_guest::prelude::*;

/// The size of each allocation, in bytes.
const BLOCK_BYTES: usize = 1 << 20;

#[derive(Serialize, Deserialize)]
struct MemoryBomb;

impl Consumer for MemoryBomb {
    type Message = NoMessage;

    fn connect(_: &Scope, _: &Connection) -> Result<Accept<Self>, Deny> {
        Ok(accept(MemoryBomb))
    }
}

/// Runs when the component is instantiated: the tools for components call the export with this name.
#[expect(unsafe_code, reason = "the export needs this name to run")]
#[unsafe(export_name = "_initialize")]
extern "C" fn initialize() {
    let mut blocks = Vec::new();
    loop {
        blocks.push(black_box(vec![1_u8; BLOCK_BYTES]));
    }
}

narrowboat_guest::export!(MemoryBomb);
