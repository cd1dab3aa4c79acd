//! A consumer in a saved state whose connection has ended.

use std::sync::Arc;

use narrowboat_core::scope::Scope;
use narrowboat_websocket::connection::ConnectionHandle;

/// A consumer in a saved state whose connection has ended: with an earlier instance of its room, or since the state was saved.
#[derive(Debug)]
pub struct LostVisitor {
    /// The connection, which is closed.
    pub connection: Arc<ConnectionHandle>,
    /// The scope of its handshake.
    pub scope: Arc<Scope>,
    /// The schema and the state of its consumer; `None` if the state of the module has it.
    pub saved: Option<(u32, Vec<u8>)>,
}
