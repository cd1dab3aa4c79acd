//! What others may do to a connection: queue frames, close it, set its timers.

use std::sync::Arc;
use std::time::Duration;

use super::outbound_queue::{OutboundLimits, OutboundQueue};
use super::timers::{TimerId, Timers};
use super::traffic::TrafficCounters;
use narrowboat_core::frame::Frame;
use narrowboat_core::name::ChannelName;

/// The shared side of a connection. It outlives the socket for whoever still holds it, and then
/// answers `closed`.
#[derive(Debug)]
pub struct ConnectionHandle {
    /// The connection's own channel.
    pub channel: ChannelName,
    /// Frames waiting for its socket.
    pub outbound: OutboundQueue,
    /// Its timers.
    pub timers: Timers,
    /// Where its frames are counted.
    pub traffic: Arc<TrafficCounters>,
}

impl ConnectionHandle {
    /// The link of a connection whose channel has been made.
    pub fn new(
        channel: ChannelName,
        limits: OutboundLimits,
        traffic: Arc<TrafficCounters>,
    ) -> Self {
        Self { channel, outbound: OutboundQueue::new(limits), timers: Timers::default(), traffic }
    }

    /// Queues a frame, or counts it as refused, and those that gave way to it as dropped.
    pub fn push(&self, frame: Frame) {
        match self.outbound.push(frame) {
            Ok(0) => {}
            Ok(dropped) => self.traffic.record_dropped(dropped),
            Err(_) => self.traffic.record_refused(),
        }
    }

    /// Starts a timer under an identifier that was reserved, and has the session look at it.
    pub fn set_timer(&self, id: TimerId, delay: Duration) {
        self.timers.set(id, delay);
        self.outbound.wake_task();
    }
}
