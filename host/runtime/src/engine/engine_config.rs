//! The configuration of wasmtime.

use wasmtime::{Config, Enabled, InstanceAllocationStrategy, PoolingAllocationConfig};

use super::pool_slots::CORE_INSTANCES_PER_SLOT;
use crate::store::{MAX_CORE_ITEMS, MAX_TABLE_ELEMENTS, SLOT_RESIDENT_BYTES};

/// Address space between two memories, in bytes. Accesses are checked against the size of the memory, so this may be
/// less than the 4 GiB that a 32-bit index can reach.
const MEMORY_GUARD_BYTES: u64 = 64 * 1024;

/// Address space that is reserved for the growth of a memory, in bytes, if there is no pool.
const MEMORY_GROWTH_BYTES: u64 = 1024 * 1024;

/// Bytes of a table that stay resident in the pool after its guest has ended.
const TABLE_KEEP_RESIDENT_BYTES: usize = 4 * 1024;

/// The stack that a guest may use, in bytes. CPython needs this much to raise a RecursionError before it traps.
const MAX_WASM_STACK_BYTES: usize = 2 * 1024 * 1024;

/// The stack of a thread that calls guests, in bytes: that of the guest, and as much for the host.
pub const THREAD_STACK_BYTES: usize = 2 * MAX_WASM_STACK_BYTES;

/// Returns the configuration with a pool of `instances`, each with at most `memory` bytes. The pool reserves its
/// address space at once.
pub(super) fn pooling_config(instances: u32, memory: usize) -> Config {
    let mut config = base_config();
    config
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool(instances, memory)))
        .memory_reservation(memory as u64);
    config
}

fn pool(instances: u32, memory: usize) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(instances)
        .total_core_instances(instances.saturating_mul(CORE_INSTANCES_PER_SLOT))
        .total_memories(instances)
        .total_tables(instances.saturating_mul(CORE_INSTANCES_PER_SLOT))
        // Plain calls need no fibers, and the guard page of each stack would take two mappings.
        .total_stacks(0)
        .max_core_instances_per_component(MAX_CORE_ITEMS)
        .max_memories_per_component(MAX_CORE_ITEMS)
        .max_memories_per_module(MAX_CORE_ITEMS)
        .max_tables_per_component(MAX_CORE_ITEMS)
        .max_tables_per_module(MAX_CORE_ITEMS)
        .table_elements(MAX_TABLE_ELEMENTS)
        .max_memory_size(memory);
    // If the system can list the written pages, they are cleared and kept for the next guest. Returning them to the
    // system would interrupt every thread, and cause a page fault for each page later.
    if PoolingAllocationConfig::is_pagemap_scan_available() {
        pool.pagemap_scan(Enabled::Yes)
            .linear_memory_keep_resident(SLOT_RESIDENT_BYTES)
            .table_keep_resident(TABLE_KEEP_RESIDENT_BYTES);
    }
    pool
}

/// Returns the configuration without a pool. Each memory is mapped when its instance starts, and moves if it grows
/// beyond its reservation.
pub(super) fn on_demand_config() -> Config {
    let mut config = base_config();
    config
        .allocation_strategy(InstanceAllocationStrategy::OnDemand)
        .memory_reservation(0)
        .memory_reservation_for_growth(MEMORY_GROWTH_BYTES);
    config
}

/// Returns the part of the configuration that does not depend on allocation. docs/reference/webassembly.md lists the
/// accepted proposals. All of them are set here, so that a new version of wasmtime does not change them.
fn base_config() -> Config {
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
        .memory_guard_size(MEMORY_GUARD_BYTES)
        // Stripped guests have no names to show, and a trap is logged on one line.
        .wasm_backtrace_max_frames(None)
        .concurrency_support(false)
        .max_wasm_stack(MAX_WASM_STACK_BYTES)
        .epoch_interruption(true);
    config
}
