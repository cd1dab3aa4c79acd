//! The visitors in the record of a room.

use std::net::SocketAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use narrowboat_core::close_frame::CloseFrame;
use narrowboat_core::header_list::HeaderList;
use narrowboat_core::name::ChannelName;
use narrowboat_core::scope::Scope;
use narrowboat_runtime::{LostVisitor, RoomVisitor};
use narrowboat_websocket::connection::{ConnectionHandle, OutboundLimits, TrafficCounters};

/// A visitor whom the room had when its state was saved. A room that wakes after a failure calls its `disconnect`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct VisitorRecord {
    channel: String,
    scope: ScopeRecord,
    /// The schema and the state of its consumer; `None` if the state of the module has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    saved: Option<SavedConsumer>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct SavedConsumer {
    schema: u32,
    #[serde(with = "serde_bytes")]
    state: Vec<u8>,
}

/// The scope of a visitor's handshake, without the headers: they have cookies and tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct ScopeRecord {
    is_secure: bool,
    path: String,
    #[serde(with = "serde_bytes")]
    raw_path: Vec<u8>,
    #[serde(with = "serde_bytes")]
    query_string: Vec<u8>,
    subprotocols: Vec<String>,
    client: SocketAddr,
    server: SocketAddr,
    url_route: Vec<(String, String)>,
    user: Option<String>,
    attributes: Vec<(String, String)>,
}

impl From<RoomVisitor> for VisitorRecord {
    fn from(RoomVisitor { connection, scope, saved }: RoomVisitor) -> Self {
        let saved = saved.map(|saved| SavedConsumer { schema: saved.schema, state: saved.state });
        Self { channel: connection.channel.to_string(), scope: ScopeRecord::from(&*scope), saved }
    }
}

impl VisitorRecord {
    /// The visitor, with a connection that is closed. `None` if the record has an invalid channel.
    pub(crate) fn into_lost(self, traffic: &Arc<TrafficCounters>) -> Option<LostVisitor> {
        let channel = ChannelName::try_from(self.channel).ok()?;
        let connection = ConnectionHandle::new(channel, OutboundLimits::NONE, Arc::clone(traffic));
        connection.outbound.close(CloseFrame::abnormal());
        let saved = self.saved.map(|saved| (saved.schema, saved.state));
        let scope = Arc::new(Scope::from(self.scope));
        Some(LostVisitor { connection: Arc::new(connection), scope, saved })
    }
}

impl From<&Scope> for ScopeRecord {
    fn from(scope: &Scope) -> Self {
        Self {
            is_secure: scope.scheme == "wss",
            path: scope.path.clone(),
            raw_path: scope.raw_path.to_vec(),
            query_string: scope.query_string.to_vec(),
            subprotocols: scope.subprotocols.clone(),
            client: scope.client,
            server: scope.server,
            url_route: scope.url_route.clone(),
            user: scope.user.clone(),
            attributes: scope.attributes.clone(),
        }
    }
}

impl From<ScopeRecord> for Scope {
    fn from(record: ScopeRecord) -> Self {
        Self {
            scheme: if record.is_secure { "wss" } else { "ws" },
            path: record.path,
            raw_path: record.raw_path.into(),
            query_string: record.query_string.into(),
            headers: HeaderList::default(),
            subprotocols: record.subprotocols,
            client: record.client,
            server: record.server,
            url_route: record.url_route,
            user: record.user,
            attributes: record.attributes,
        }
    }
}
