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
pub struct Needs {
    /// Imports, its own and those of its modules.
    pub imports: u64,
    /// Core modules, and components within.
    pub modules: u64,
    /// Functions that are compiled.
    pub functions: u64,
    /// Bytes that its memories begin with.
    pub memory: u64,
    /// Elements that its tables begin with.
    pub tables: u64,
    /// Instances of its modules; `None` if a component within has some, which may be there several times.
    pub parts: Option<u64>,
}

impl Default for Needs {
    fn default() -> Self {
        Self { imports: 0, modules: 0, functions: 0, memory: 0, tables: 0, parts: Some(0) }
    }
}

impl Needs {
    /// Counts a part of the component, or of one within.
    pub(super) fn count(
        &mut self,
        payload: &Payload<'_>,
        is_outermost: bool,
    ) -> Result<(), BinaryReaderError> {
        match payload {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => self.modules += 1,
            Payload::InstanceSection(instances) => {
                for instance in instances.clone() {
                    if let Instance::Instantiate { .. } = instance? {
                        self.parts = self.parts.filter(|_| is_outermost).map(|parts| parts + 1);
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
                    self.memory = self.memory.saturating_add(memory.initial.saturating_mul(page));
                }
            }
            Payload::TableSection(tables) => {
                for table in tables.clone() {
                    self.tables = self.tables.saturating_add(table?.ty.initial);
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
    pub fn check(&self, memory: ByteSize, tables: u64) -> Result<(), ComponentError> {
        let bounds = [
            ("imports", self.imports, MAX_IMPORTS),
            ("modules", self.modules, MAX_MODULES),
            ("functions", self.functions, MAX_FUNCTIONS),
            ("elements of tables to begin with", self.tables, tables),
            ("bytes of memory to begin with", self.memory, memory.bytes() as u64),
        ];
        match bounds.into_iter().find(|(_, has, most)| has > most) {
            Some((what, has, most)) => Err(ComponentError::TooMuch { what, has, most }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::component::summarise;
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
        let parts = |component: Component| summarise(&component.finish()).unwrap().needs.parts;
        assert_eq!(parts(component.clone()), Some(3));
        component.section(&NestedComponentSection(&within));
        assert_eq!(parts(component), None);
    }

    #[test]
    fn what_modules_begin_with_is_added_up() {
        let bytes = component(3, 7);
        let needs = summarise(&bytes).unwrap().needs;
        assert_eq!((needs.modules, needs.memory, needs.tables), (2, 2 * 3 * 65_536, 14));
        assert!(needs.check(ByteSize::from(6 * 65_536), 14).is_ok());
        assert!(needs.check(ByteSize::from(6 * 65_536 - 1), 14).is_err());
        let problem = needs.check(ByteSize::mib(1), 13).unwrap_err().to_string();
        assert!(problem.contains("14 elements of tables") && problem.contains("13"), "{problem}");
    }
}
