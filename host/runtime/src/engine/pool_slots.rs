//! How many slots of the instance pool an instance takes.

use wasmtime::component::Component;

use crate::store::MAX_CORE_ITEMS;

/// Core instances, and tables, in one slot of the pool. Components of the guest languages were measured with three.
pub(super) const CORE_INSTANCES_PER_SLOT: u32 = 4;

/// Returns the slots of the pool that one instance of a component takes. One slot has one memory, four core instances
/// and four tables. A component whose modules cannot be counted, with `core_instances` of `None`, takes the largest
/// number.
pub(crate) fn pool_slots(component: &Component, core_instances: Option<u64>) -> usize {
    let (memories, tables) = component
        .resources_required()
        .map_or((MAX_CORE_ITEMS, MAX_CORE_ITEMS), |needs| (needs.num_memories, needs.num_tables));
    let core_instances = core_instances.and_then(|count| u32::try_from(count).ok());
    let core_instances = core_instances.unwrap_or(MAX_CORE_ITEMS).min(MAX_CORE_ITEMS);
    let slots = core_instances.max(tables).div_ceil(CORE_INSTANCES_PER_SLOT);
    memories.max(slots).max(1) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_encoder::{InstanceSection, MemorySection, MemoryType, Module, ModuleSection};

    /// Returns a component with `instances` instances of a module that has `memories` memories.
    fn component(engine: &wasmtime::Engine, instances: usize, memories: usize) -> Component {
        let mut section = MemorySection::new();
        for _ in 0..memories {
            section.memory(MemoryType {
                minimum: 1,
                maximum: None,
                memory64: false,
                shared: false,
                page_size_log2: None,
            });
        }
        let mut module = Module::new();
        module.section(&section);
        let mut instance_section = InstanceSection::new();
        for _ in 0..instances {
            instance_section.instantiate::<_, &str>(0, []);
        }
        let mut component = wasm_encoder::Component::new();
        component.section(&ModuleSection(&module)).section(&instance_section);
        Component::new(engine, component.finish()).unwrap()
    }

    #[test]
    fn the_slots_of_an_instance_follow_from_its_memories_and_core_instances() {
        let engine = wasmtime::Engine::default();
        for ((instances, memories), slots) in
            [((1, 1), 1), ((4, 0), 1), ((5, 0), 2), ((3, 1), 3), ((6, 1), 6), ((1, 2), 2)]
        {
            let component = component(&engine, instances, memories);
            let core_instances = Some(instances as u64);
            assert_eq!(
                pool_slots(&component, core_instances),
                slots,
                "{instances} instances, {memories} memories"
            );
        }
        assert_eq!(pool_slots(&component(&engine, 1, 1), None), 4);
    }
}
