//! The host's sources as data, for the tests of this crate and the table that its program prints.

mod import_graph;
mod manifest;
mod source_file;

pub use import_graph::ImportGraph;
pub use manifest::{CRATE_ORDER, Dependencies, dependencies};
pub use source_file::{Function, SourceFile, host_folder, host_sources};
