//! What is had or not.

/// What is had as a whole, or not at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CapabilityFlag {
    /// Its lines reach the log; without it they are dropped, and counted.
    Log,
    /// It may know the time.
    Clocks,
    /// It may have random numbers.
    Random,
    /// It may keep keys and values, together with the other plugins of its tenant.
    Keyvalue,
    /// Its requests may reach what is not on the public internet.
    PrivateAddresses,
}

impl CapabilityFlag {
    /// Each of them.
    pub const ALL: [Self; 5] =
        [Self::Log, Self::Clocks, Self::Random, Self::Keyvalue, Self::PrivateAddresses];

    /// The key that asks for it, and grants it.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Clocks => "clocks",
            Self::Random => "random",
            Self::Keyvalue => "keyvalue",
            Self::PrivateAddresses => "private_addresses",
        }
    }
}
