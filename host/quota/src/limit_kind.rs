//! The kinds of limits that a plugin can reach.

use std::time::Duration;

use bytesize::ByteSize;

/// A kind of limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LimitKind {
    /// Open connections.
    Connections,
    /// Open connections of one client address.
    ConnectionsPerAddress,
    /// Handshakes a second.
    Handshakes,
    /// Running instances.
    Instances,
    /// Running time of guests a second.
    Cpu,
    /// Messages from clients a second.
    FramesIn,
    /// Bytes of the messages from clients a second.
    BytesIn,
    /// Frames to clients a second.
    FramesOut,
    /// Bytes of the frames to clients a second.
    BytesOut,
    /// Linear memory of one instance.
    Memory,
    /// Table elements of one instance.
    Tables,
    /// Effects of one call.
    Effects,
    /// Pending timers of a connection.
    Timers,
    /// Groups of one channel.
    Groups,
    /// Group memberships of a tenant in one layer.
    Memberships,
    /// The snapshot of one consumer or of one module.
    Snapshot,
    /// All snapshots together.
    TotalSnapshots,
    /// Linear memory of all instances together.
    TotalMemory,
    /// Open HTTP requests.
    Requests,
    /// Versions that are compiled and tried.
    Loads,
    /// Deploys a minute.
    Deploys,
    /// Processor time of the compilation of one component.
    CompileTime,
    /// Memory of the compilation of one component.
    CompileMemory,
    /// Stored bytes of keys and values.
    Keyvalue,
    /// The time that one call may wait.
    WaitTime,
}

/// All kinds, in the order of their discriminants.
pub const LIMIT_KINDS: [LimitKind; 25] = [
    LimitKind::Connections,
    LimitKind::ConnectionsPerAddress,
    LimitKind::Handshakes,
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
    LimitKind::TotalSnapshots,
    LimitKind::TotalMemory,
    LimitKind::Requests,
    LimitKind::Loads,
    LimitKind::Deploys,
    LimitKind::CompileTime,
    LimitKind::CompileMemory,
    LimitKind::Keyvalue,
    LimitKind::WaitTime,
];

impl LimitKind {
    /// The name in the configuration and in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::ConnectionsPerAddress => "connections_per_address",
            Self::Handshakes => "handshakes_per_second",
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
            Self::TotalSnapshots => "total_snapshots",
            Self::TotalMemory => "total_memory",
            Self::Requests => "http_requests",
            Self::Loads => "loads",
            Self::Deploys => "deploys_per_minute",
            Self::CompileTime => "compile_time",
            Self::CompileMemory => "compile_memory",
            Self::Keyvalue => "keyvalue",
            Self::WaitTime => "wait_time",
        }
    }

    /// Finds a kind by its name.
    pub fn from_name(name: &str) -> Option<Self> {
        LIMIT_KINDS.into_iter().find(|kind| kind.name() == name)
    }

    /// Formats an amount with its unit.
    pub fn format_amount(self, amount: u64) -> String {
        match self {
            Self::Cpu => format!("{:?} a second", Duration::from_nanos(amount)),
            Self::CompileTime => format!("{:?}", Duration::from_nanos(amount)),
            Self::Handshakes | Self::FramesIn | Self::FramesOut => format!("{amount} a second"),
            Self::Deploys => format!("{amount} a minute"),
            Self::BytesIn | Self::BytesOut => format!("{} a second", ByteSize::b(amount)),
            Self::Memory
            | Self::Snapshot
            | Self::TotalSnapshots
            | Self::TotalMemory
            | Self::CompileMemory
            | Self::Keyvalue => ByteSize::b(amount).to_string(),
            Self::Connections
            | Self::ConnectionsPerAddress
            | Self::Instances
            | Self::Tables
            | Self::Effects
            | Self::Timers
            | Self::Groups
            | Self::Memberships
            | Self::Requests
            | Self::Loads
            | Self::WaitTime => amount.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_its_own_index_and_name() {
        for (index, kind) in LIMIT_KINDS.into_iter().enumerate() {
            assert_eq!(kind as usize, index);
            assert!(LIMIT_KINDS[..index].iter().all(|other| other.name() != kind.name()));
        }
    }
}
