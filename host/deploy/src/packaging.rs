//! Builds a guest crate into a component and a source plugin into a source bundle, gives components of other tools a
//! manifest, and inspects components and source bundles.

mod build;
mod build_error;
mod build_source;
mod built_plugin;
mod bundle;
mod bundle_inspection;
mod cancellation;
mod cargo_metadata;
mod compiled_crate;
mod inspect;
mod inspection_list;
mod pack;
mod source;
mod sources;
mod toolchain;

pub use build::build;
pub use build_error::BuildError;
pub use build_source::{BuildSource, ReadBuildError};
pub use built_plugin::BuiltPlugin;
pub use bundle::{is_source_plugin, write_bundle};
pub use bundle_inspection::BundleInspection;
pub use cancellation::BuildCancellation;
pub use compiled_crate::CompiledCrate;
pub use inspect::{ComponentInspection, Inspection, inspect};
pub use pack::{PackError, pack};
pub use source::{
    EditError, EditableSource, MAX_EDITABLE_BYTES, MissingPackages, PackedSource, PackedTests,
    RequirementsError, SourceFolderError, SourceText, is_skipped,
};
pub use sources::{Sources, find_sources};
pub use toolchain::ToolchainError;
