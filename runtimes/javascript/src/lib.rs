//! The runtime of plugins in JavaScript and TypeScript. It runs QuickJS, and exports the interfaces of the contract.
//!
//! `compiler` turns the files of a plugin into a [`program::Program`], and `instance` loads one. `exports` calls the
//! modules in `js/`, which call the functions in `natives`. `test_suite` runs the tests of a plugin.

mod bindings;
mod clock;
mod compiler;
mod dynamic_imports;
mod engine;
mod entry_candidate;
mod exports;
mod failure;
mod import_names;
mod import_problems;
mod instance;
mod message_pack;
mod module_loader;
mod natives;
mod package_json;
mod package_resolver;
mod problem;
mod program;
mod rejections;
mod runtime_modules;
mod source_file;
mod test_suite;

bindings::export_source_runtime!(Exports with_types_in bindings);

struct Exports;
