//! Packs the folder of a source plugin into a source bundle, with the packages that it requires.

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

pub use packed_source::{MissingPackages, PackedSource};
pub use requirements_error::RequirementsError;
pub use skipped_files::is_skipped;
pub use source_folder_error::SourceFolderError;
