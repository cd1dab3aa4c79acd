//! The sources of the host as data, for the tests beside this crate and the table that it prints.

mod import_graph;
mod manifest;
mod source_file;

pub use import_graph::ImportGraph;
pub use manifest::{Dependencies, FLOORS, dependencies};
pub use source_file::{Function, SourceFile, host_folder, host_sources};
