//! A program: what `compile` makes of a plugin's files, and `load` loads.

use serde::{Deserialize, Serialize};

/// The version of the form of a program.
const FORM: u32 = 1;

/// A compiled module.
#[derive(Serialize, Deserialize)]
pub struct ProgramModule {
    /// The path of its file, or the name of a module of the runtime.
    pub name: String,
    /// The bytecode of QuickJS.
    #[serde(with = "serde_bytes")]
    pub bytecode: Vec<u8>,
}

/// The meaning of an import specifier in a module.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Hash)]
pub struct Resolution {
    /// The name of the importing module.
    pub base: String,
    /// The specifier, such as `./rooms.js`.
    pub specifier: String,
    /// The name of the imported module.
    pub target: String,
}

/// A class that handles events: the module that exports it, and the name of the export.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The name of the module.
    pub module: String,
    /// The name of the export.
    pub export: String,
}

/// The modules and the entry classes of a plugin.
#[derive(Serialize, Deserialize)]
pub struct Program {
    form: u32,
    /// The modules of the runtime and of the plugin.
    pub modules: Vec<ProgramModule>,
    /// The meanings of the imports of the modules.
    pub resolutions: Vec<Resolution>,
    /// The modules of the plugin that have state, in the order in which they were loaded.
    pub own_modules: Vec<String>,
    /// The class of the consumers.
    pub consumer: Option<Entry>,
    /// The class of the worker.
    pub worker: Option<Entry>,
}

impl Program {
    /// Creates a program.
    pub fn new(
        modules: Vec<ProgramModule>,
        resolutions: Vec<Resolution>,
        own_modules: Vec<String>,
        consumer: Option<Entry>,
        worker: Option<Entry>,
    ) -> Self {
        Self { form: FORM, modules, resolutions, own_modules, consumer, worker }
    }

    /// Returns the program as bytes.
    pub fn encode(&self) -> Vec<u8> {
        rmp_serde::to_vec(self).unwrap_or_default()
    }

    /// Reads the bytes of a program.
    ///
    /// # Errors
    /// A text if the program is damaged, or if another version of the runtime made it.
    pub fn decode(bytes: &[u8]) -> Result<Self, String> {
        let program: Self = rmp_serde::from_slice(bytes)
            .map_err(|error| format!("the program is damaged: {error}"))?;
        if program.form != FORM {
            return Err(format!(
                "the program has the form {}, and this runtime reads the form {FORM}: compile it again",
                program.form
            ));
        }
        Ok(program)
    }
}
