//! What others may do to a connection: queue frames, close it, set its timers.

use super::outbound::{Outbound, OutboundLimits};
use super::timers::Timers;
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
}

impl Link {
    /// The link of a connection whose channel has been made.
    pub fn new(channel: ChannelName, limits: OutboundLimits) -> Self {
        Self { channel, outbound: Outbound::new(limits), timers: Timers::default() }
    }
}
