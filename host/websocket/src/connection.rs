//! Open WebSocket connections: messages in both directions, keepalive, timers and the closing handshake.
//!
//! A session polls its [`Connection`]. Other tasks reach the connection through its [`ConnectionHandle`].

mod close_counters;
#[expect(clippy::module_inception, reason = "a file is called after its main type")]
mod connection;
mod connection_end;
mod connection_event;
mod connection_handle;
mod connection_state;
mod connection_timeouts;
mod control_signals;
mod direct_writer;
mod drain;
mod fill_batch;
mod frame_counter;
mod frame_queue;
mod handshake_event;
mod handshake_state;
mod keepalive;
mod late_decision;
mod outbound_limits;
mod outbound_queue;
mod outbound_state;
mod socket;
mod throttle;
mod timers;
mod traffic_counters;

pub use crate::client_stream::{ClientStream, WrappedStream};
pub use crate::codec::{DeflateParams, Extension, IncomingLimits};
pub use crate::split_tcp_stream::SplitTcpStream;
pub use close_counters::CloseCounters;
pub use connection::{Connection, ReadMode};
pub use connection_end::ConnectionEnd;
pub use connection_event::{ConnectionEvent, ControlState};
pub use connection_handle::ConnectionHandle;
pub use connection_timeouts::ConnectionTimeouts;
pub(crate) use drain::drain_until_eof;
pub use frame_counter::FrameCounter;
pub use handshake_event::HandshakeEvent;
pub use late_decision::LateDecision;
pub use outbound_limits::{OutboundLimits, PendingSize, PushError};
pub use outbound_queue::OutboundQueue;
pub use socket::{Socket, SocketConfig};
pub use timers::{NextTimer, TimerId, Timers};
pub use traffic_counters::TrafficCounters;
