//! From a guest crate to one file that deploys, and from such a file to what it says of itself.

mod build;
mod halt;
mod inspect;
mod metadata;
mod sources;
mod toolchain;

pub use build::{BuildError, Built, build, build_under};
pub use halt::Halt;
pub use inspect::{Inspection, inspect};
pub use sources::{Sources, sources};
pub use toolchain::ToolchainError;
