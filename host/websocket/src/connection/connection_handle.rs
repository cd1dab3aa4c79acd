//! The shared handle of a connection.

use std::sync::Arc;
use std::time::Duration;

use super::outbound_limits::OutboundLimits;
use super::outbound_queue::OutboundQueue;
use super::outbound_state::Pushed;
use super::timers::{TimerId, Timers};
use super::traffic_counters::TrafficCounters;
use narrowboat_core::deferred_flush::{self, Flush};
use narrowboat_core::frame::Frame;
use narrowboat_core::name::ChannelName;

/// The handle through which other tasks queue frames, close the connection and set its timers. It may outlive the
/// socket; its queue then returns [`PushError::Closed`](super::PushError::Closed).
#[derive(Debug)]
pub struct ConnectionHandle {
    /// The connection's own channel.
    pub channel: ChannelName,
    /// The frames that wait for the socket, and the requests to the connection.
    pub outbound: OutboundQueue,
    /// The timers of the connection's consumer.
    pub timers: Timers,
    /// The counters of the plugin.
    pub traffic: Arc<TrafficCounters>,
}

impl ConnectionHandle {
    /// Returns the handle of a new connection with this channel.
    pub fn new(
        channel: ChannelName,
        limits: OutboundLimits,
        traffic: Arc<TrafficCounters>,
    ) -> Self {
        Self { channel, outbound: OutboundQueue::new(limits), timers: Timers::default(), traffic }
    }

    /// Queues a frame. A frame that does not fit is counted as refused, and older frames that had to go are counted as
    /// dropped. In a [`FlushScope`](deferred_flush::FlushScope) a connection that rests is not woken: the scope writes
    /// the frame.
    pub fn push(self: &Arc<Self>, frame: Frame) {
        match self.outbound.push_or_defer(frame, self.may_defer()) {
            Ok(Pushed::Queued { dropped: 0 }) => {}
            Ok(Pushed::Queued { dropped }) => self.traffic.record_dropped(dropped),
            Ok(pushed) => self.remember_flush(pushed),
            Err(_) => self.traffic.record_refused(),
        }
    }

    /// Queues a frame of the connection's channel if its session is idle and this thread may write to the connection
    /// later. Returns whether it did.
    pub fn push_if_idle(self: &Arc<Self>, frame: &Frame) -> bool {
        let pushed = if self.may_defer() { self.outbound.push_if_idle(frame) } else { None };
        pushed.inspect(|pushed| self.remember_flush(*pushed)).is_some()
    }

    /// Whether this thread may write to the connection later. A limited rate is checked by the connection's task.
    fn may_defer(&self) -> bool {
        deferred_flush::is_deferring() && !self.traffic.quota.limits_sending()
    }

    fn remember_flush(self: &Arc<Self>, pushed: Pushed) {
        if pushed == Pushed::NeedsFlush {
            deferred_flush::defer(Arc::clone(self) as Arc<dyn Flush>);
        }
    }

    /// Starts a timer with an identifier from [`Timers::reserve_id`], and wakes the session.
    pub fn set_timer(&self, id: TimerId, delay: Duration) {
        self.timers.set(id, delay);
        self.outbound.wake_task();
    }
}

impl Flush for ConnectionHandle {
    fn flush(&self) {
        let written = self.outbound.flush();
        if written.frames > 0 {
            self.traffic.record_written(written);
        }
    }
}
