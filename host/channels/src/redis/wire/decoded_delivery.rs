//! A delivery that came, with whom it is for.

use std::ops::Range;

use bytes::Bytes;

use super::wire_address::AddressNames;
use crate::Delivery;

/// How many bytes around a payload may stay in memory with it, where that saves a copy.
const MAX_SHARED_SLACK_BYTES: usize = 256;

/// A delivery that came, with whom it is for. The names hold on to memory of their own; drop the parcel when they have
/// been looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DecodedDelivery {
    /// What was sent, without the names.
    pub(crate) delivery: Delivery,
    pub(super) names: Option<AddressNames>,
}

impl DecodedDelivery {
    /// The channels it is for. A name is any text at all; none if it is not [addressed](Self::is_addressed).
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().flat_map(AddressNames::iter)
    }

    /// Whether it says itself whom it is for; otherwise the key or the Redis channel does that it came from.
    pub(crate) fn is_addressed(&self) -> bool {
        self.names.is_some()
    }
}

/// Whether a payload of `len` bytes may share a body of `body` bytes. It waits in a mailbox as what it is itself, so
/// it must not keep a long list of names in memory.
pub(super) fn may_share(body: usize, len: usize) -> bool {
    body - len <= MAX_SHARED_SLACK_BYTES.max(len / 8)
}

/// The payload that stands at `range`, which shares the body or is copied out of it.
pub(super) fn share_or_copy(body: &Bytes, range: Range<usize>) -> Bytes {
    if may_share(body.len(), range.len()) {
        body.slice(range)
    } else {
        Bytes::copy_from_slice(&body[range])
    }
}
