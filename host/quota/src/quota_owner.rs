//! The owner of a limit.

/// The owner of a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuotaOwner {
    /// The plugin.
    Plugin,
    /// The plugin's tenant.
    Tenant,
    /// The host.
    Host,
}

impl QuotaOwner {
    /// The owners of the nodes of a quota chain, from the narrowest to the widest.
    pub(crate) const ALL: [Self; 3] = [Self::Plugin, Self::Tenant, Self::Host];

    /// The name in log lines.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plugin => "plugin",
            Self::Tenant => "tenant",
            Self::Host => "host",
        }
    }
}
