//! The settings of wasmtime on which compiled code depends.

use wasmtime::{Config, InstanceAllocationStrategy};

/// Address space behind a memory, in bytes. Code checks accesses with a larger constant offset. A memory whose
/// reservation is smaller than [`WIDE_RESERVATION_BYTES`] has all accesses checked against its size.
const MEMORY_GUARD_BYTES: u64 = 64 * 1024;

/// The address space that a 32-bit index can reach, in bytes. Accesses to a memory with this reservation need no check:
/// the system traps them.
const WIDE_RESERVATION_BYTES: u64 = 1 << 32;

/// The stack that a guest may use, in bytes. CPython needs this much to raise a RecursionError before it traps.
pub(crate) const MAX_WASM_STACK_BYTES: usize = 2 * 1024 * 1024;

/// The settings of wasmtime on which compiled code depends. All others are the same in every process of one program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CompileSettings {
    /// The address space of one memory, in bytes, which it never outgrows; 0 if memories may move.
    pub(super) memory_reservation: u64,
}

impl CompileSettings {
    /// The settings of an engine with a pool of memories of this size.
    pub(crate) fn for_pool(memory: usize) -> Self {
        Self { memory_reservation: memory as u64 }
    }

    /// The settings of an engine with a pool whose memories reserve all that an index can reach, so that code does not
    /// check its accesses.
    pub(crate) fn for_wide_pool() -> Self {
        Self { memory_reservation: WIDE_RESERVATION_BYTES }
    }

    /// The settings of an engine without a pool.
    pub(crate) fn on_demand() -> Self {
        Self { memory_reservation: 0 }
    }

    /// Returns the configuration, without a pool. docs/reference/webassembly.md lists the accepted proposals. All of
    /// them are set here, so that a new version of wasmtime does not change them.
    pub(crate) fn config(self) -> Config {
        let mut config = Config::new();
        config
            .wasm_tail_call(true)
            .wasm_extended_const(true)
            .wasm_multi_memory(true)
            .wasm_memory64(true)
            .wasm_simd(true)
            .wasm_relaxed_simd(true)
            // The same component gives the same results on each processor.
            .relaxed_simd_deterministic(true)
            .wasm_gc(false)
            .wasm_custom_page_sizes(false)
            .wasm_wide_arithmetic(false)
            .wasm_shared_everything_threads(false)
            .wasm_stack_switching(false)
            .allocation_strategy(InstanceAllocationStrategy::OnDemand)
            .memory_reservation(self.memory_reservation)
            .memory_guard_size(MEMORY_GUARD_BYTES)
            // Stripped guests have no names to show, and a trap is logged on one line.
            .wasm_backtrace_max_frames(None)
            .concurrency_support(false)
            .max_wasm_stack(MAX_WASM_STACK_BYTES)
            .epoch_interruption(true);
        config
    }
}
