//! Packs the folder of a source plugin into a source bundle, with the packages that it requires.

mod edit_error;
mod editable_source;
mod node_packages;
mod package_installer;
mod packed_source;
mod python_packages;
mod requirements;
mod requirements_error;
mod skipped_files;
mod source_files;
mod source_folder_error;
mod vendor_folder;

pub use edit_error::{EditError, MAX_EDITABLE_BYTES};
pub use editable_source::{EditableSource, SourceText};
pub use packed_source::{MissingPackages, PackedSource, PackedTests};
pub use requirements_error::RequirementsError;
pub use skipped_files::is_skipped;
pub use source_folder_error::SourceFolderError;
