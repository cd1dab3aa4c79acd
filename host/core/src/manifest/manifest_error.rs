//! The errors of manifests.

use thiserror::Error;

/// The reason why a text is not a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ManifestError {
    /// The text is not UTF-8.
    #[error("the manifest is not UTF-8")]
    NotUtf8,
    /// The text is not TOML, or has an unknown key or a wrong value.
    #[error("{0}")]
    Syntax(String),
    /// The name is not valid in logs and file names.
    #[error("name = {0:?}: a plugin name has 1 to 64 of the characters a-z, 0-9, `-` and `_`")]
    InvalidName(String),
    /// A limit is zero.
    #[error("limits.{0} must be more than zero")]
    ZeroLimit(&'static str),
    /// The manifest has the key of a source plugin, but no runtime.
    #[error(
        "{0} names a class of a source plugin; add `runtime = \"python\"` or `runtime = \"javascript\"`, or remove the key"
    )]
    EntryWithoutRuntime(&'static str),
    /// The isolation is `room`, and the manifest does not say which URL parameters name a room.
    #[error(
        "`room` is missing; isolation = \"room\" needs the URL parameters that name a room, such as `room = \"{{room}}\"`"
    )]
    NoRoomTemplate,
    /// The manifest has a key of rooms, but another isolation.
    #[error("{0} needs isolation = \"room\"; set that, or remove the key")]
    RoomKeyWithoutRooms(&'static str),
    /// The manifest says when checkpoints are made, and not that they are used.
    #[error("checkpoint_every needs on_trap = \"restart\"; set that, or remove the key")]
    CheckpointsUnused,
    /// The manifest says after which time connections hibernate, and not that they do.
    #[error("hibernate_after needs hibernate = true; set that, or remove the key")]
    HibernationUnused,
    /// Connections would hibernate too soon.
    #[error("hibernate_after must be at least 100ms")]
    HibernationTooSoon,
    /// Connections that share an instance cannot hibernate.
    #[error(
        "hibernate = true needs isolation = \"connection\"; set that, or remove the key: a room sleeps by itself, after `room_idle`"
    )]
    HibernationOfSharedInstance,
    /// The manifest of a component has a runtime.
    #[error(
        "`runtime` belongs to a source plugin, and this is the manifest of a component; remove the key, or use the \
         folder as `source`"
    )]
    RuntimeOfComponent,
    /// The manifest of a source bundle has no runtime.
    #[error(
        "`runtime` is missing; the manifest of a source plugin needs `runtime = \"python\"` or `runtime = \"javascript\"`"
    )]
    NoRuntime,
}
