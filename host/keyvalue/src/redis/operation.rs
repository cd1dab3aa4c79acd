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
    GetMany,
    SetMany,
    DeleteMany,
    CompareAndSet,
    SetTtl,
    Ttl,
    OpenRoom,
    ChangeRoom,
    CloseRoom,
    RenewLeases,
    ListAlarms,
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
            Self::GetMany => "get_many",
            Self::SetMany => "set_many",
            Self::DeleteMany => "delete_many",
            Self::CompareAndSet => "compare_and_set",
            Self::SetTtl => "set_ttl",
            Self::Ttl => "ttl",
            Self::OpenRoom => "open_room",
            Self::ChangeRoom => "change_room",
            Self::CloseRoom => "close_room",
            Self::RenewLeases => "renew_leases",
            Self::ListAlarms => "list_alarms",
        }
    }

    /// Returns a bit that no other operation has.
    pub(super) fn bit(self) -> u32 {
        1 << self as u16
    }
}
