//! Why a component does not become the live version.

use thiserror::Error;

use crate::versions::PluginVersionStoreError;
use narrowboat_core::capabilities::{Capabilities, format_missing};
use narrowboat_core::manifest::Isolation;
use narrowboat_runtime::{LoadError, MigrationError, Sha256Digest};

/// Why a component is not taken. The version before goes on untouched.
#[derive(Debug, Error)]
pub enum DeployError {
    /// It cannot be loaded.
    #[error(transparent)]
    Load(#[from] Box<LoadError>),
    /// It runs in another way than the running version.
    #[error(
        "it asks for isolation = {wanted:?}, and the plugin runs with {running:?}; restart the host \
         for that"
    )]
    Isolation {
        /// What the plugin runs with.
        running: Isolation,
        /// What the component asks for.
        wanted: Isolation,
    },
    /// It requests more capabilities than the running version, and there is nowhere to wait for an approval.
    #[error(
        "it requests more capabilities than the running version: {}; restart the host with it, or configure [versions], where it \
         can wait for an approval",
        format_missing(&.0.descriptions())
    )]
    Unapproved(Capabilities),
    /// It failed on a store of its own, with the state of a running instance.
    #[error("the trial failed: {0}")]
    Trial(MigrationError),
    /// The consumers that share an instance did not all move, so nobody did.
    #[error("its consumers could not move: {0}")]
    Migration(String),
    /// It was live and failed too often.
    #[error(
        "version {} was rolled back for its faults; offer other bytes, or deploy the same ones with --force", .0.short_hex()
    )]
    RolledBack(Sha256Digest),
    /// It cannot be kept, so that it would be lost with the process.
    #[error(transparent)]
    Store(PluginVersionStoreError),
    /// Too many wait already.
    #[error("{0} versions wait to be tried; offer it again later")]
    QueueFull(usize),
    /// Nothing takes offers for this plugin any more.
    #[error("{0}")]
    Closed(QueueCloseReason),
    /// The system gave no thread to compile on, or the compiler panicked.
    #[error("it could not be compiled: no thread")]
    NoThread,
}

/// Why the queue of a plugin's offers has closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum QueueCloseReason {
    /// The configuration was read again, and another object serves the plugin, or none.
    #[error(
        "the configuration was read again, and this plugin was reloaded or removed while the version waited; offer it \
         again"
    )]
    Reloaded,
    /// The host ends.
    #[error("the host is stopping")]
    Stopping,
    /// The task that carries swaps out has ended without being asked to.
    #[error(
        "the task that changes this plugin's version has failed; the log says why, and a restart brings it back"
    )]
    TaskFailed,
}
