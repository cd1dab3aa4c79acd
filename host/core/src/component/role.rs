//! Roles of components.

/// A role of a component, by the interface that it exports. A component may have both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Handles connections.
    Consumer,
    /// Handles the messages of named channels.
    Worker,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 2] = [Self::Consumer, Self::Worker];

    /// The exported interface of this role, without its version.
    pub const fn interface(self) -> &'static str {
        match self {
            Self::Consumer => "narrowboat:consumer/websocket",
            Self::Worker => "narrowboat:consumer/worker",
        }
    }

    /// The WIT world of this role.
    pub const fn world(self) -> &'static str {
        match self {
            Self::Consumer => "narrowboat:consumer/websocket-consumer",
            Self::Worker => "narrowboat:consumer/worker-consumer",
        }
    }
}
