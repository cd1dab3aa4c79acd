//! Why the engine cannot start.

use thiserror::Error;

/// Why the engine cannot start.
#[derive(Debug, Error)]
pub enum EngineError {
    /// The engine cannot be created, with or without an instance pool.
    #[error(
        "cannot create the engine for {instances} instances with {memory} bytes each: {source:#}; lower \
         limits.max_connections, limits.memory or the instances of [[workers]]"
    )]
    Pool {
        /// The number of instances.
        instances: u32,
        /// The linear memory of each instance, in bytes.
        memory: usize,
        /// The error of the engine.
        source: wasmtime::Error,
    },
    /// The system refused the ticker thread.
    #[error("cannot start the thread that stops guests after their time limit: {0}")]
    Ticker(#[from] std::io::Error),
}
