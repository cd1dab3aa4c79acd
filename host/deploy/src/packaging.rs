//! From a guest crate to one file that deploys, and from such a file to what it says of itself.

mod build;
mod cancellation;
mod cargo_metadata;
mod inspect;
mod sources;
mod toolchain;

pub use build::{BuildError, BuiltPlugin, build, build_cancellable};
pub use cancellation::BuildCancellation;
pub use inspect::{Inspection, inspect};
pub use sources::{Sources, find_sources};
pub use toolchain::ToolchainError;
