//! Builds a guest crate into a component that can be deployed, gives components of other tools a manifest, and inspects
//! components.

mod build;
mod build_error;
mod cancellation;
mod cargo_metadata;
mod inspect;
mod pack;
mod sources;
mod toolchain;

pub use build::{BuiltPlugin, build, build_cancellable};
pub use build_error::BuildError;
pub use cancellation::BuildCancellation;
pub use inspect::{Inspection, inspect};
pub use pack::{PackError, pack};
pub use sources::{Sources, find_sources};
pub use toolchain::ToolchainError;
