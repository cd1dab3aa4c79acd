//! Consumers and workers in WebAssembly.
//!
//! This is the only crate that knows wasmtime. A [`Call`] brings an event into a guest, and the guest's requests come
//! back as a list of [`Effect`]s.

mod bindings;
mod build;
mod call;
mod code_cache;
mod compat;
mod compilation;
mod effects;
mod engine;
mod host_api;
mod instance;
mod language_runtime;
mod loader;
mod migration;
mod plugin;
mod runtime_image;
mod scheduling;
mod shared_by_digest;
mod source_tests;
mod stats;
mod store;
mod version;

pub use build::Build;
pub use call::{Call, ConnectionId, GuestReply};
pub use code_cache::CodeCache;
pub use compat::Incompatibility;
pub use compilation::{
    CancelLoadOnDrop, CompileError, CompilerProgram, ComponentCompiler, LoadCancellation,
    run_compile_worker,
};
pub use effects::{Effect, recycle_effects};
pub use engine::{Engine, EngineError, PoolUsage, THREAD_STACK_BYTES, VersionError};
pub use instance::{
    BatchEnd, GuestSnapshot, HibernatedConsumer, Instance, InstanceMark, InstanceSnapshot,
    LostVisitor, RoomSaveReason, RoomStartError, RoomState, RoomVisitor, WorkerInstance,
};
pub use language_runtime::{LanguageRuntimes, RuntimeError, SourceProblem, SourceProblems};
pub use loader::{Candidate, LoadError, Loader, requested_capabilities};
pub use migration::{
    Migration, MigrationError, MigrationStats, MovePatience, PreSnapshots, StateSource, TrialState,
    migrate, restart_consumers,
};
pub use narrowboat_core::sha256_digest::Sha256Digest;
pub use plugin::Plugin;
pub use runtime_image::RuntimeImage;
pub use scheduling::{GuestExecutor, GuestThreadPool, run_on_dedicated_thread};
pub use source_tests::{CollectError, SourceTests, TestCase, TestFailure, TestOutcome};
pub use stats::{ClientCount, EventCounts, FaultKind, VersionStats};
pub use store::{RestoreReason, RoomLink, TestHostCall};
pub use version::{Version, VersionUsage};
