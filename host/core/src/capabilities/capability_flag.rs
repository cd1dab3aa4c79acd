//! Capabilities without patterns.

/// A capability without patterns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CapabilityFlag {
    /// Writing to the log. Without it, the lines of the plugin are dropped and counted.
    Log,
    /// Reading clocks.
    Clocks,
    /// Reading random numbers.
    Random,
    /// Using the key-value store, which the plugins of a tenant share.
    Keyvalue,
    /// Sending requests to addresses that are not on the public internet.
    PrivateAddresses,
}

impl CapabilityFlag {
    /// All flags.
    pub const ALL: [Self; 5] =
        [Self::Log, Self::Clocks, Self::Random, Self::Keyvalue, Self::PrivateAddresses];

    /// The key that requests and grants the flag.
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
