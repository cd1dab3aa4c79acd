//! A decoded delivery with its recipients.

use std::ops::Range;

use bytes::Bytes;

use super::wire_address::AddressNames;
use crate::Delivery;

/// The bytes around a payload that may stay in memory with it to save a copy.
const MAX_SHARED_SLACK_BYTES: usize = 256;

/// A decoded delivery with its recipients. The names keep memory of their own: drop this when they have been looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DecodedDelivery {
    /// The message or frame, without the names.
    pub(crate) delivery: Delivery,
    pub(super) names: Option<AddressNames>,
}

impl DecodedDelivery {
    /// Returns the names of the recipients, which may be any strings. There are none unless the delivery is
    /// [addressed](Self::is_addressed).
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().flat_map(AddressNames::iter)
    }

    /// Whether the delivery contains the names of its recipients. Otherwise its key or topic names the recipient.
    pub(crate) fn is_addressed(&self) -> bool {
        self.names.is_some()
    }
}

/// Whether a payload of `len` bytes may share a body of `body_len` bytes. The payload may wait in a mailbox for long,
/// so it must not keep a long list of names in memory.
pub(super) fn may_share(body_len: usize, len: usize) -> bool {
    body_len - len <= MAX_SHARED_SLACK_BYTES.max(len / 8)
}

/// Returns the payload at `range`, which shares the body or is a copy.
pub(super) fn share_or_copy(body: &Bytes, range: Range<usize>) -> Bytes {
    if may_share(body.len(), range.len()) {
        body.slice(range)
    } else {
        Bytes::copy_from_slice(&body[range])
    }
}
