//! Why a component is not compiled.

use std::path::PathBuf;

use thiserror::Error;

use narrowboat_quota::LimitKind;

/// Why a component is not compiled.
#[derive(Debug, Error)]
pub enum CompileError {
    /// The compiler refuses the component.
    #[error("does not compile: {0}")]
    Refused(String),
    /// The compiled code does not fit the engine. Not expected: both come from one program.
    #[error("does not compile: {0:#}")]
    Engine(#[from] wasmtime::Error),
    /// The compilation reached a limit.
    #[error(
        "takes more than the limit {} allows ({max}, a limit of the {owner}) to compile; make the component smaller, or \
         raise the limit",
        kind.name()
    )]
    Limit {
        /// The limit.
        kind: LimitKind,
        /// Its value, with its unit.
        max: String,
        /// The owner of the limit: the plugin, its tenant or the host.
        owner: &'static str,
    },
    /// The compiler did not get as much processor time as it may have.
    #[error(
        "did not compile in {0:?}, because the machine is too busy; deploy it again later, or give the machine more \
         processors"
    )]
    TooSlow(std::time::Duration),
    /// The compiler ended without a result.
    #[error(
        "could not be compiled: the process that compiled it ended with {status}{}; deploy it again; a component that \
         fails like this each time has met a fault of the compiler",
        format_last_words(.last_words)
    )]
    Ended {
        /// The end of the process.
        status: String,
        /// The end of its output on standard error; may be empty.
        last_words: String,
    },
    /// The process that compiles cannot be started.
    #[error(
        "could not be compiled: cannot start {} for it: {source}; let the host start processes of its own program",
        program.display()
    )]
    Start {
        /// The program.
        program: PathBuf,
        /// The error of the system.
        source: std::io::Error,
    },
    /// Nothing waits for the result any more.
    #[error("was not compiled, because its deploy has ended")]
    Cancelled,
}

/// Formats the last words of a process, if it had any.
fn format_last_words(last_words: &str) -> String {
    if last_words.is_empty() { String::new() } else { format!(" ({last_words})") }
}
