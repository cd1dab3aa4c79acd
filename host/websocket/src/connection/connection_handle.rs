//! The shared handle of a connection.

use std::sync::Arc;
use std::time::Duration;

use super::outbound_limits::OutboundLimits;
use super::outbound_queue::OutboundQueue;
use super::timers::{TimerId, Timers};
use super::traffic_counters::TrafficCounters;
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
    /// dropped.
    pub fn push(&self, frame: Frame) {
        match self.outbound.push(frame) {
            Ok(0) => {}
            Ok(dropped) => self.traffic.record_dropped(dropped),
            Err(_) => self.traffic.record_refused(),
        }
    }

    /// Starts a timer with an identifier from [`Timers::reserve_id`], and wakes the session.
    pub fn set_timer(&self, id: TimerId, delay: Duration) {
        self.timers.set(id, delay);
        self.outbound.wake_task();
    }
}
