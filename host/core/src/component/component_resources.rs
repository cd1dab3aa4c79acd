//! The resources that a component needs before its first instruction runs, known without compiling it.

use wasmparser::{BinaryReaderError, Instance, Payload};

use super::component_error::ComponentError;
use crate::units::ByteSize;

/// The most imports of a component and its modules together. Each is looked up.
const MAX_IMPORTS: u64 = 10_000;

/// The most core modules and nested components. Each has a memory, tables and code of its own.
const MAX_MODULES: u64 = 64;

/// The most functions of all modules together. Each is compiled.
const MAX_FUNCTIONS: u64 = 200_000;

/// The resources that a component needs from the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ComponentResources {
    /// Imports of the component and of its modules.
    pub imports: u64,
    /// Core modules and nested components.
    pub modules: u64,
    /// Functions to compile.
    pub functions: u64,
    /// The initial size of its memories, in bytes.
    pub initial_memory_bytes: u64,
    /// The initial number of elements of its tables.
    pub initial_table_elements: u64,
    /// Instances of its modules. `None` if a nested component has some, because it may be instantiated several times.
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
    /// Counts a section of the component or of a nested one.
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
                            self.core_instances.filter(|_| is_outermost).map(|count| count + 1);
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

    /// Checks the resources against the host's limits, and against the memory and the table elements of one instance.
    ///
    /// # Errors
    /// The first resource over its limit.
    pub fn check_limits(&self, memory: ByteSize, tables: u64) -> Result<(), ComponentError> {
        let limits = [
            ("imports", self.imports, MAX_IMPORTS),
            ("modules", self.modules, MAX_MODULES),
            ("functions", self.functions, MAX_FUNCTIONS),
            ("initial table elements", self.initial_table_elements, tables),
            ("bytes of initial memory", self.initial_memory_bytes, memory.bytes() as u64),
        ];
        match limits.into_iter().find(|(_, has, most)| has > most) {
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
    fn instances_of_modules_are_counted_unless_a_nested_component_has_some() {
        let mut component = Component::new();
        let mut instances = InstanceSection::new();
        for _ in 0..3 {
            instances.instantiate::<_, &str>(0, []);
        }
        component.section(&ModuleSection(&Module::new())).section(&instances);
        component.section(&NestedComponentSection(&Component::new()));
        let nested = component.clone();
        let core_instances = |component: Component| {
            parse_info(&component.finish()).unwrap().resources.core_instances
        };
        assert_eq!(core_instances(component.clone()), Some(3));
        component.section(&NestedComponentSection(&nested));
        assert_eq!(core_instances(component), None);
    }

    #[test]
    fn initial_sizes_of_modules_are_added_up() {
        let bytes = component(3, 7);
        let resources = parse_info(&bytes).unwrap().resources;
        assert_eq!(
            (resources.modules, resources.initial_memory_bytes, resources.initial_table_elements),
            (2, 2 * 3 * 65_536, 14)
        );
        assert!(resources.check_limits(ByteSize::from(6 * 65_536), 14).is_ok());
        assert!(resources.check_limits(ByteSize::from(6 * 65_536 - 1), 14).is_err());
        let problem = resources.check_limits(ByteSize::mib(1), 13).unwrap_err().to_string();
        assert!(
            problem.contains("14 initial table elements") && problem.contains("13"),
            "{problem}"
        );
    }
}
