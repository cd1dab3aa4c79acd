//! Why a deploy fails.

use thiserror::Error;

use crate::versions::PluginVersionStoreError;
use narrowboat_core::capabilities::{Capabilities, format_missing};
use narrowboat_core::manifest::Isolation;
use narrowboat_core::room_template::RoomTemplate;
use narrowboat_runtime::{LoadError, MigrationError, Sha256Digest};

/// Why a deploy fails. The live version is unchanged.
#[derive(Debug, Error)]
pub enum DeployError {
    /// The component cannot be loaded.
    #[error(transparent)]
    Load(#[from] Box<LoadError>),
    /// The component requests another isolation than the plugin runs with.
    #[error(
        "the manifest has isolation = \"{}\", but the plugin runs with \"{}\"; restart the host with this component to change it",
        wanted.key(),
        running.key()
    )]
    Isolation {
        /// The isolation that the plugin runs with.
        running: Isolation,
        /// The isolation that the component requests.
        wanted: Isolation,
    },
    /// The component names rooms by other URL parameters than the plugin runs with.
    #[error(
        "the manifest has room = \"{wanted}\", but the plugin runs with \"{running}\"; the rooms would have other names and \
         lose their state; restart the host with this component to change it"
    )]
    RoomTemplate {
        /// The template that the plugin runs with.
        running: RoomTemplate,
        /// The template that the component has.
        wanted: RoomTemplate,
    },
    /// The version requests more capabilities than the live one, and cannot wait for an approval without `[versions]`.
    #[error(
        "it requests more capabilities than the running version: {}; restart the host with it, or configure [versions], where it \
         can wait for an approval",
        format_missing(&.0.descriptions())
    )]
    Unapproved(Capabilities),
    /// The trial failed: the version could not start, or not restore the state of a running instance.
    #[error("the trial failed: {0}")]
    Trial(MigrationError),
    /// The live version cannot save the state of a shared instance, so no version could take it over.
    #[error(
        "the state cannot be saved: {0}; set on_failed_move of the plugin to \"restart\" or \"close\", or deploy again \
         after the connection with this state has closed"
    )]
    UnsavedState(MigrationError),
    /// Not all consumers of a plugin with shared instances could migrate, so none did.
    #[error("its consumers could not move: {0}")]
    Migration(String),
    /// The version was rolled back before, because it failed too often.
    #[error(
        "version {} was rolled back for its faults; deploy other bytes, or the same ones with --force", .0.short_hex()
    )]
    RolledBack(Sha256Digest),
    /// The version cannot be stored, so it would be lost at a restart.
    #[error(transparent)]
    Store(PluginVersionStoreError),
    /// The queue is full.
    #[error("{0} versions are already queued for this plugin; try again later")]
    QueueFull(usize),
    /// The queue of the plugin has closed.
    #[error("{0}")]
    Closed(QueueCloseReason),
    /// No thread could be started, or the thread panicked.
    #[error("the version could not be compiled or tried: its thread could not start or panicked")]
    NoThread,
}

/// Why the deploy queue of a plugin has closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum QueueCloseReason {
    /// A reload of the configuration replaced or removed the plugin.
    #[error(
        "a reload of the configuration replaced or removed this plugin while the version was queued; deploy it again"
    )]
    Reloaded,
    /// The host is stopping.
    #[error("the host is stopping")]
    Stopping,
    /// The task that deploys the plugin's versions has panicked.
    #[error(
        "the task that deploys this plugin's versions has failed; see the log, and restart the host"
    )]
    TaskFailed,
}
