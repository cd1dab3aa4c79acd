//! Why the source of a plugin cannot run.

use thiserror::Error;

use super::source_problem::SourceProblems;
use narrowboat_core::fault::GuestFault;
use narrowboat_core::manifest::Language;
use narrowboat_core::units::ByteSize;

/// Why the source of a plugin cannot run.
#[derive(Debug, Error)]
pub enum RuntimeError {
    /// The manifest names no runtime.
    #[error("has a manifest without `runtime`")]
    NoRuntime,
    /// The program was built without the runtime.
    #[error(
        "is written in {0}, and this program was built without the {0} runtime; build it where python3 and its module \
         venv are installed"
    )]
    Missing(Language),
    /// An instance of the runtime needs more memory than the limits allow.
    #[error(
        "needs the {language} runtime, whose instances have at least {}; the limit is {most}: raise limits.memory",
        ByteSize::from(usize::try_from(*needed).unwrap_or(usize::MAX))
    )]
    Memory {
        /// The language.
        language: Language,
        /// The bytes that an instance has at its start.
        needed: u64,
        /// The limit.
        most: ByteSize,
    },
    /// The runtime is damaged, or does not fit this host.
    #[error("needs the {language} runtime, which this host cannot run: {problem:#}")]
    Unusable {
        /// The language.
        language: Language,
        /// The problem with the runtime.
        problem: wasmtime::Error,
    },
    /// The source has errors.
    #[error("has errors: {0}")]
    Source(#[from] SourceProblems),
    /// The source ran for too long, used too much memory or ended its instance.
    #[error("cannot be loaded: {0}")]
    Fault(GuestFault),
}
