//! What a server under measurement does with what clients send.

use clap::ValueEnum;
use serde::Serialize;

/// What clients get back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Service {
    /// Each its own.
    Echo,
    /// Everyone each text.
    Room(RoomDelivery),
}

/// How a text gets to everyone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum RoomDelivery {
    /// One instance writes to all its connections.
    Broadcast,
    /// The group's message is handled by each member's consumer, which writes to its connection.
    Handler,
    /// The group's frame is written to each member without its consumer.
    Frame,
}

impl Service {
    /// The path under which every server that looks at it offers this.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Echo => "/echo/",
            Self::Room(_) => "/chat/bench/",
        }
    }

    /// The plugin by which Narrowboat does it.
    pub(crate) fn plugin(self) -> &'static str {
        match self {
            Self::Echo => "echo",
            Self::Room(RoomDelivery::Broadcast) => "broadcast",
            Self::Room(RoomDelivery::Handler) => "group",
            Self::Room(RoomDelivery::Frame) => "herald",
        }
    }
}
