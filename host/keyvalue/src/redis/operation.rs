//! The operations of the store.

/// An operation of a plugin. A server may refuse one operation and accept another one.
#[derive(Clone, Copy, Debug)]
pub(super) enum KeyvalueOperation {
    Get,
    Exists,
    Set,
    Delete,
    Keys,
    Increment,
}

impl KeyvalueOperation {
    /// Returns the name of the operation in log lines.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Exists => "exists",
            Self::Set => "set",
            Self::Delete => "delete",
            Self::Keys => "keys",
            Self::Increment => "increment",
        }
    }

    /// Returns a bit that no other operation has.
    pub(super) fn bit(self) -> u8 {
        1 << self as u8
    }
}
