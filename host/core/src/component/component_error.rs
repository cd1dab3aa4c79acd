//! The errors of component files.

use thiserror::Error;

use super::role::Role;

/// The hint in the error of a component without exports.
const NO_EXPORTS: &str =
    "nothing; a plugin in Rust needs narrowboat_guest::export!(…) or export_worker!(…)";

/// The reason why bytes are not a usable component.
#[derive(Debug, Error)]
pub enum ComponentError {
    /// The file is empty.
    #[error("is empty (0 bytes); is it still being written?")]
    Empty,
    /// The bytes are not WebAssembly.
    #[error(
        "is not WebAssembly; a component begins with the bytes \\0asm, and a source bundle is a ustar archive that \
         `narrowboat plugin build` writes"
    )]
    NotWasm,
    /// The bytes are a core module.
    #[error(
        "is a core WebAssembly module, not a component; `narrowboat plugin build DIR` builds a \
         component from a guest crate, and `wasm-tools component new` from a module of another tool"
    )]
    CoreModule,
    /// The bytes are truncated or damaged.
    #[error("is cut off or damaged at byte {offset}: {problem}")]
    Malformed {
        /// The position of the error.
        offset: usize,
        /// The message of the parser.
        problem: String,
    },
    /// The component needs more than the host admits.
    #[error("has {has} {what}; the limit is {most}")]
    LimitExceeded {
        /// The resource.
        what: &'static str,
        /// The need of the component.
        has: u64,
        /// The limit.
        most: u64,
    },
    /// The component has none of the roles.
    #[error(
        "exports no consumer ({}) and no worker ({}); it exports {}",
        Role::Consumer.interface(),
        Role::Worker.interface(),
        if exports.is_empty() { NO_EXPORTS.to_owned() } else { exports.join(", ") }
    )]
    UnsupportedWorld {
        /// The names of its exports.
        exports: Vec<String>,
    },
}

impl From<wasmparser::BinaryReaderError> for ComponentError {
    fn from(error: wasmparser::BinaryReaderError) -> Self {
        Self::Malformed { offset: error.offset(), problem: error.message().to_owned() }
    }
}
