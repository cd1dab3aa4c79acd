//! What others may do to a connection: queue frames, close it, set its timers.

use std::sync::Arc;

use super::outbound::{Outbound, OutboundLimits};
use super::timers::Timers;
use super::traffic::Traffic;
use crate::frame::Frame;
use crate::name::ChannelName;

/// The shared side of a connection. It outlives the socket for whoever still holds it, and then
/// answers `closed`.
#[derive(Debug)]
pub struct Link {
    /// The connection's own channel.
    pub channel: ChannelName,
    /// Frames waiting for its socket.
    pub outbound: Outbound,
    /// Its timers.
    pub timers: Timers,
    /// Where its frames are counted.
    pub traffic: Arc<Traffic>,
}

impl Link {
    /// The link of a connection whose channel has been made.
    pub fn new(channel: ChannelName, limits: OutboundLimits, traffic: Arc<Traffic>) -> Self {
        Self { channel, outbound: Outbound::new(limits), timers: Timers::default(), traffic }
    }

    /// Queues a frame, or counts it as refused.
    pub fn push(&self, frame: Frame) {
        if self.outbound.push(frame).is_err() {
            self.traffic.refuse();
        }
    }
}
