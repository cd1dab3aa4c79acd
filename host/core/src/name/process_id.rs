//! Identities of processes in names of channels.

use std::fmt;

/// The identity of a process in the names of its unique channels: a random UUID of version 8, written as 32 hexadecimal
/// digits. Processes of channels_redis have UUIDs of version 4, so their names differ (RFC 9562, sections 5.4 and 5.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProcessId(u128);

/// The bits of a UUID that hold its version and its variant.
const UUID_VERSION_VARIANT_MASK: u128 = 0xf << 76 | 0b11 << 62;
/// The version and the variant of a UUID of version 8.
const VERSION_8: u128 = 0x8 << 76 | 0b10 << 62;

impl ProcessId {
    /// Generates a random identity. A layer does this once, when it starts.
    #[must_use]
    pub fn random() -> Self {
        Self(rand::random::<u128>() & !UUID_VERSION_VARIANT_MASK | VERSION_8)
    }

    /// Whether [`ChannelName::unique`](super::ChannelName::unique) of any process generated a name. The part up to the
    /// `!` is enough.
    #[must_use]
    pub fn is_narrowboat_channel(channel: &str) -> bool {
        let digits = channel.strip_prefix("specific.").and_then(|rest| rest.get(..33));
        let Some(digits) = digits.and_then(|digits| digits.strip_suffix('!')) else { return false };
        let is_lower_hex = digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
        is_lower_hex
            && u128::from_str_radix(digits, 16)
                .is_ok_and(|id| id & UUID_VERSION_VARIANT_MASK == VERSION_8)
    }
}

impl fmt::Display for ProcessId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}
