//! Errors of starting a host and of applying a configuration.

use thiserror::Error;

use crate::auth::TokenError;
use crate::auth::users::UserAuthError;
use crate::tls::TlsError;
use narrowboat_config::ConfigError;
use narrowboat_core::room_template::RoomTemplate;
use narrowboat_deploy::packaging::BuildError;
use narrowboat_deploy::versions::StoreError;
use narrowboat_keyvalue::StoreOpenError;
use narrowboat_runtime::{EngineError, LoadError};

/// A route to a plugin with rooms that does not say which room it leads to.
#[derive(Debug, Error)]
#[error(
    "the route {route:?} has no parameter {{{parameter}}}: the manifest of plugin {plugin:?} has room = \"{template}\"; add \
     {{{parameter}}} to the path of the route"
)]
pub struct RouteWithoutRoom {
    /// The label of the plugin.
    pub plugin: String,
    /// The path or the regular expression of the route.
    pub route: String,
    /// The URL parameters that name a room.
    pub template: RoomTemplate,
    /// The parameter that the route lacks.
    pub parameter: String,
}

/// Why a host cannot start or apply a configuration.
#[derive(Debug, Error)]
pub enum HostError {
    /// The engine that runs guests cannot start, for example for lack of address space.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The crate of a plugin could not be built.
    #[error("plugin {plugin:?}: {source}")]
    Build {
        /// The label of the plugin.
        plugin: String,
        /// The error of the build.
        source: BuildError,
    },
    /// A component could not be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A route to a plugin with rooms does not say which room it leads to.
    #[error(transparent)]
    RouteWithoutRoom(#[from] Box<RouteWithoutRoom>),
    /// Users cannot be authenticated.
    #[error(transparent)]
    Users(#[from] UserAuthError),
    /// The keys that components must be signed with cannot be read.
    #[error(transparent)]
    Signers(#[from] ConfigError),
    /// The TLS certificate cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The system has no thread to load plugins on.
    #[error("cannot start a thread to load plugins on; is the process limit too low?")]
    NoThread,
    /// A token of the admin API cannot be used.
    #[error(transparent)]
    Token(TokenError),
    /// The store of versions cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The key-value store of plugins cannot be opened.
    #[error(transparent)]
    Keyvalue(#[from] StoreOpenError),
    /// A plugin got another live version during each attempt to apply the configuration.
    #[error("versions of plugins kept changing while the configuration was read; try again")]
    VersionsKeptChanging,
    /// The host stops, and starts nothing any more.
    #[error("the host is stopping")]
    Stopping,
}
