//! From a guest crate to one file that deploys, and from such a file to what it says of itself.

mod build;
mod inspect;
mod toolchain;

pub use build::{BuildError, Built, build};
pub use inspect::{Inspection, inspect};
pub use toolchain::ToolchainError;
