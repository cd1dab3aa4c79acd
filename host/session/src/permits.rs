//! The permits of a connection.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;

use narrowboat_quota::ConnectionPermit;

/// The permits that a connection holds. Dropping the last reference releases them.
#[derive(Debug)]
pub struct Permits {
    /// One of the host's `max_connections`.
    pub host: Arc<OwnedSemaphorePermit>,
    /// One of the connections that the plugin's quota allows.
    pub plugin: ConnectionPermit,
}
