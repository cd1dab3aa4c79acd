//! The frames of a group, for a connection whose session is idle.

use std::sync::Arc;

use narrowboat_channels::DeliverySink;
use narrowboat_core::frame::Frame;
use narrowboat_websocket::connection::ConnectionHandle;

/// Queues frames of the connection's channel without its session. Messages wake the session, whose task has the instance.
pub(super) struct ConnectionSink(pub(super) Arc<ConnectionHandle>);

impl DeliverySink for ConnectionSink {
    fn try_accept(&self, frame: &Frame) -> bool {
        self.0.push_if_idle(frame)
    }

    fn try_take_over(&self) -> bool {
        false
    }
}
