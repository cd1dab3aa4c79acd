//! The services of a server under measurement.

use clap::ValueEnum;
use serde::Serialize;

/// The reply to a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Service {
    /// Each client gets its own texts back.
    Echo,
    /// Every client gets each text.
    Room(RoomDelivery),
}

/// How a text gets to every client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum RoomDelivery {
    /// One instance writes to all its connections.
    Broadcast,
    /// Each member's consumer handles the group's message and writes to its connection.
    Handler,
    /// The host writes the group's frame to each member without its consumer.
    Frame,
}

impl Service {
    /// The path of the service, on servers that route by path.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Echo => "/echo/",
            Self::Room(_) => "/chat/bench/",
        }
    }

    /// The Narrowboat plugin of the service.
    pub(crate) fn plugin(self) -> &'static str {
        match self {
            Self::Echo => "echo",
            Self::Room(RoomDelivery::Broadcast) => "broadcast",
            Self::Room(RoomDelivery::Handler) => "group",
            Self::Room(RoomDelivery::Frame) => "herald",
        }
    }
}
