//! The configuration of wasmtime.

use wasmtime::{Config, Enabled, InstanceAllocationStrategy, PoolingAllocationConfig};

use super::pool_slots::CORE_INSTANCES_PER_SLOT;
use crate::compilation::{CompileSettings, MAX_WASM_STACK_BYTES};
use crate::store::{MAX_CORE_ITEMS, MAX_TABLE_ELEMENTS, SLOT_RESIDENT_BYTES};

/// Address space that is reserved for the growth of a memory, in bytes, if there is no pool.
const MEMORY_GROWTH_BYTES: u64 = 1024 * 1024;

/// Bytes of a table that stay resident in the pool after its guest has ended.
const TABLE_KEEP_RESIDENT_BYTES: usize = 4 * 1024;

/// The stack of a thread that calls guests, in bytes: that of the guest, and as much for the host.
pub const THREAD_STACK_BYTES: usize = 2 * MAX_WASM_STACK_BYTES;

/// Returns the configuration with a pool of `instances`, each with at most `memory` bytes. The pool reserves its
/// address space at once, as much as the settings say.
pub(super) fn pooling_config(settings: CompileSettings, instances: u32, memory: usize) -> Config {
    let mut config = settings.config();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(instances, memory)));
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
    let mut config = CompileSettings::on_demand().config();
    config.memory_reservation_for_growth(MEMORY_GROWTH_BYTES);
    config
}

#[cfg(test)]
mod tests {
    use std::hash::{DefaultHasher, Hash, Hasher};

    use super::*;

    const MEMORY_BYTES: usize = 1 << 20;

    fn compatibility(config: &Config) -> u64 {
        let engine = wasmtime::Engine::new(config).unwrap();
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        hasher.finish()
    }

    #[test]
    fn an_engine_runs_the_code_of_a_process_with_its_compile_settings() {
        let settings = CompileSettings::for_pool(MEMORY_BYTES);
        let pooled = compatibility(&pooling_config(settings, 4, MEMORY_BYTES));
        assert_eq!(pooled, compatibility(&settings.config()));
        let wide = CompileSettings::for_wide_pool();
        assert_eq!(
            compatibility(&pooling_config(wide, 4, MEMORY_BYTES)),
            compatibility(&wide.config())
        );
        let on_demand = compatibility(&on_demand_config());
        let mut compiler = CompileSettings::on_demand().config();
        // The hash has this setting, although code does not depend on it.
        compiler.memory_reservation_for_growth(MEMORY_GROWTH_BYTES);
        assert_eq!(on_demand, compatibility(&compiler));
        assert_ne!(pooled, on_demand);
    }
}
