//! The policy for a version that requests more than the live one.

/// The policy for a version that requests more capabilities than the live one, or another isolation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangePolicy {
    /// `narrowboat serve`: an operator approves capabilities, and another isolation needs a restart.
    Operator,
    /// A component file or a source folder under `narrowboat dev`: the version gets the capabilities that the
    /// configuration grants. Another isolation needs a restart, unless the host has the plugin loaded again instead of
    /// requesting a deploy, as it does for a source folder.
    Grants,
    /// A crate under `narrowboat dev`: as `Grants`, and the builder of the crate has the plugin loaded again if the
    /// isolation has changed.
    Builder,
}

impl ChangePolicy {
    /// Whether a version gets capabilities that the configuration grants without an approval.
    pub fn approves_granted(self) -> bool {
        match self {
            Self::Operator => false,
            Self::Grants | Self::Builder => true,
        }
    }
}
