//! Runtimes of languages: components that compile and run the source of plugins. One compiled runtime serves all versions
//! of all tenants.

mod compiled_runtime;
mod language_runtimes;
mod program;
mod runtime_error;
mod source_problem;

pub(crate) use compiled_runtime::CompiledRuntime;
pub use language_runtimes::LanguageRuntimes;
pub(crate) use program::Program;
pub use runtime_error::RuntimeError;
pub use source_problem::{SourceProblem, SourceProblems};
