//! What a component takes before its first instruction runs: known without compiling it.

use wasmparser::{BinaryReaderError, Instance, Payload};

use super::ComponentError;
use crate::units::ByteSize;

/// Imports of a component and its modules together, each of which is looked up.
const MAX_IMPORTS: u64 = 10_000;

/// Core modules and components within: each is a part with a memory, tables and code of its own.
const MAX_MODULES: u64 = 64;

/// Functions of all modules together, each of which is compiled.
const MAX_FUNCTIONS: u64 = 200_000;

/// What a component takes of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ComponentResources {
    /// Imports, its own and those of its modules.
    pub imports: u64,
    /// Core modules, and components within.
    pub modules: u64,
    /// Functions that are compiled.
    pub functions: u64,
    /// Bytes that its memories begin with.
    pub initial_memory_bytes: u64,
    /// Elements that its tables begin with.
    pub initial_table_elements: u64,
    /// Instances of its modules; `None` if a component within has some, which may be there several times.
    pub core_instances: Option<u64>,
}

impl Default for ComponentResources {
    fn default() -> Self {
        Self {
            imports: 0,
            modules: 0,
            functions: 0,
            initial_memory_bytes: 0,
            initial_table_elements: 0,
            core_instances: Some(0),
        }
    }
}

impl ComponentResources {
    /// Counts a part of the component, or of one within.
    pub(super) fn add_payload(
        &mut self,
        payload: &Payload<'_>,
        is_outermost: bool,
    ) -> Result<(), BinaryReaderError> {
        match payload {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => self.modules += 1,
            Payload::InstanceSection(instances) => {
                for instance in instances.clone() {
                    if let Instance::Instantiate { .. } = instance? {
                        self.core_instances =
                            self.core_instances.filter(|_| is_outermost).map(|parts| parts + 1);
                    }
                }
            }
            Payload::ImportSection(imports) => self.imports += u64::from(imports.count()),
            Payload::ComponentImportSection(imports) => self.imports += u64::from(imports.count()),
            Payload::FunctionSection(functions) => self.functions += u64::from(functions.count()),
            Payload::MemorySection(memories) => {
                for memory in memories.clone() {
                    let memory = memory?;
                    let page = 1_u64 << memory.page_size_log2.unwrap_or(16).min(16);
                    self.initial_memory_bytes = self
                        .initial_memory_bytes
                        .saturating_add(memory.initial.saturating_mul(page));
                }
            }
            Payload::TableSection(tables) => {
                for table in tables.clone() {
                    self.initial_table_elements =
                        self.initial_table_elements.saturating_add(table?.ty.initial);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Whether a host admits it whose instances may have so many bytes of memory and elements of tables.
    ///
    /// # Errors
    /// The first thing that it has too much of.
    pub fn check_limits(&self, memory: ByteSize, tables: u64) -> Result<(), ComponentError> {
        let bounds = [
            ("imports", self.imports, MAX_IMPORTS),
            ("modules", self.modules, MAX_MODULES),
            ("functions", self.functions, MAX_FUNCTIONS),
            ("elements of tables to begin with", self.initial_table_elements, tables),
            ("bytes of memory to begin with", self.initial_memory_bytes, memory.bytes() as u64),
        ];
        match bounds.into_iter().find(|(_, has, most)| has > most) {
            Some((what, has, most)) => Err(ComponentError::LimitExceeded { what, has, most }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::component::parse_info;
    use wasm_encoder::{
        Component, InstanceSection, MemorySection, MemoryType, Module, ModuleSection,
        NestedComponentSection, RefType, TableSection, TableType,
    };

    fn component(pages: u64, elements: u64) -> Vec<u8> {
        let mut memories = MemorySection::new();
        memories.memory(MemoryType {
            minimum: pages,
            maximum: None,
            memory64: false,
            shared: false,
            page_size_log2: None,
        });
        let mut tables = TableSection::new();
        tables.table(TableType {
            element_type: RefType::FUNCREF,
            minimum: elements,
            maximum: None,
            table64: false,
            shared: false,
        });
        let mut module = Module::new();
        module.section(&tables).section(&memories);
        let mut component = Component::new();
        component.section(&ModuleSection(&module)).section(&ModuleSection(&module));
        component.finish()
    }

    #[test]
    fn instances_of_modules_are_counted_unless_a_component_within_has_some() {
        let mut component = Component::new();
        let mut instances = InstanceSection::new();
        for _ in 0..3 {
            instances.instantiate::<_, &str>(0, []);
        }
        component.section(&ModuleSection(&Module::new())).section(&instances);
        component.section(&NestedComponentSection(&Component::new()));
        let within = component.clone();
        let parts = |component: Component| {
            parse_info(&component.finish()).unwrap().resources.core_instances
        };
        assert_eq!(parts(component.clone()), Some(3));
        component.section(&NestedComponentSection(&within));
        assert_eq!(parts(component), None);
    }

    #[test]
    fn what_modules_begin_with_is_added_up() {
        let bytes = component(3, 7);
        let needs = parse_info(&bytes).unwrap().resources;
        assert_eq!(
            (needs.modules, needs.initial_memory_bytes, needs.initial_table_elements),
            (2, 2 * 3 * 65_536, 14)
        );
        assert!(needs.check_limits(ByteSize::from(6 * 65_536), 14).is_ok());
        assert!(needs.check_limits(ByteSize::from(6 * 65_536 - 1), 14).is_err());
        let problem = needs.check_limits(ByteSize::mib(1), 13).unwrap_err().to_string();
        assert!(problem.contains("14 elements of tables") && problem.contains("13"), "{problem}");
    }
}
