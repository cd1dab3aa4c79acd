//! The bounds that a plugin can come to, one by one.

use std::time::Duration;

use bytesize::ByteSize;

/// What a plugin came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitKind {
    /// Connections at a time.
    Connections,
    /// Connections at a time of one client address.
    ConnectionsPerAddress,
    /// Handshakes a second.
    Connects,
    /// Running instances.
    Instances,
    /// Running time a second.
    Cpu,
    /// Messages of clients a second.
    FramesIn,
    /// Their bytes a second.
    BytesIn,
    /// Frames to clients a second.
    FramesOut,
    /// Their bytes a second.
    BytesOut,
    /// Linear memory of an instance.
    Memory,
    /// Elements of an instance's tables.
    Tables,
    /// What one call asks for.
    Effects,
    /// Pending timers of a connection.
    Timers,
    /// Groups that one channel is in.
    Groups,
    /// Memberships of a tenant in one layer.
    Memberships,
    /// What one consumer, or a module, leaves to its successor.
    Snapshot,
    /// All that was left to successors.
    Snapshots,
    /// Linear memory of all instances.
    Memories,
    /// Requests that are open at a time.
    Requests,
    /// Keys and values.
    Keyvalue,
    /// How long one call waits.
    WaitTime,
}

/// Each of them, in order.
pub const LIMIT_KINDS: [LimitKind; 21] = [
    LimitKind::Connections,
    LimitKind::ConnectionsPerAddress,
    LimitKind::Connects,
    LimitKind::Instances,
    LimitKind::Cpu,
    LimitKind::FramesIn,
    LimitKind::BytesIn,
    LimitKind::FramesOut,
    LimitKind::BytesOut,
    LimitKind::Memory,
    LimitKind::Tables,
    LimitKind::Effects,
    LimitKind::Timers,
    LimitKind::Groups,
    LimitKind::Memberships,
    LimitKind::Snapshot,
    LimitKind::Snapshots,
    LimitKind::Memories,
    LimitKind::Requests,
    LimitKind::Keyvalue,
    LimitKind::WaitTime,
];

impl LimitKind {
    /// As the configuration and the figures call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::ConnectionsPerAddress => "connections_per_address",
            Self::Connects => "handshakes_per_second",
            Self::Instances => "instances",
            Self::Cpu => "cpu",
            Self::FramesIn => "frames_in",
            Self::BytesIn => "bytes_in",
            Self::FramesOut => "frames_out",
            Self::BytesOut => "bytes_out",
            Self::Memory => "memory",
            Self::Tables => "tables",
            Self::Effects => "effects",
            Self::Timers => "timers",
            Self::Groups => "groups",
            Self::Memberships => "memberships",
            Self::Snapshot => "snapshot",
            Self::Snapshots => "total_snapshots",
            Self::Memories => "total_memory",
            Self::Requests => "http_requests",
            Self::Keyvalue => "keyvalue",
            Self::WaitTime => "wait_time",
        }
    }

    /// The one of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        LIMIT_KINDS.into_iter().find(|bound| bound.name() == name)
    }

    /// An amount of it in words, with its unit.
    pub fn format_amount(self, amount: u64) -> String {
        match self {
            Self::Cpu => format!("{:?} a second", Duration::from_nanos(amount)),
            Self::Connects | Self::FramesIn | Self::FramesOut => format!("{amount} a second"),
            Self::BytesIn | Self::BytesOut => format!("{} a second", ByteSize::b(amount)),
            Self::Memory | Self::Snapshot | Self::Snapshots | Self::Memories | Self::Keyvalue => {
                ByteSize::b(amount).to_string()
            }
            Self::Connections
            | Self::ConnectionsPerAddress
            | Self::Instances
            | Self::Tables
            | Self::Effects
            | Self::Timers
            | Self::Groups
            | Self::Memberships
            | Self::Requests
            | Self::WaitTime => amount.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bound_has_its_place_and_its_name() {
        for (place, bound) in LIMIT_KINDS.into_iter().enumerate() {
            assert_eq!(bound as usize, place);
            assert!(LIMIT_KINDS[..place].iter().all(|other| other.name() != bound.name()));
        }
    }
}
