//! The keys of the table of entries that expire.

use std::ops::Range;

use super::entry_key::{SEPARATOR, owner_of};
use super::entry_value::{EXPIRY_LEN, WallMillis};

/// The byte that follows the name of an owner where the keys of the owner end.
const AFTER_SEPARATOR: u8 = SEPARATOR + 1;

/// Returns the key of an entry in the table: the owner, the time of expiry, the bucket and the key. So the entries of one
/// owner are together, in the order in which they expire.
pub(super) fn expiry_key(expiry: WallMillis, entry_key: &[u8]) -> Vec<u8> {
    let (owner, rest) = entry_key.split_at(owner_len(entry_key));
    [owner, &expiry.to_be_bytes(), rest].concat()
}

/// Returns the keys of an owner's entries that have expired.
pub(super) fn expired_keys(owner: &[u8], now: WallMillis) -> Range<Vec<u8>> {
    let start = [owner, &[SEPARATOR]].concat();
    let end = [start.as_slice(), &now.saturating_add(1).to_be_bytes()].concat();
    start..end
}

/// Returns the first key that may belong to an owner after `owner`.
pub(super) fn after_owner(owner: &[u8]) -> Vec<u8> {
    [owner, &[AFTER_SEPARATOR]].concat()
}

/// Returns the key in the table of entries.
pub(super) fn entry_key_of(expiry_key: &[u8]) -> Vec<u8> {
    let (owner, rest) = expiry_key.split_at(owner_len(expiry_key));
    [owner, rest.get(EXPIRY_LEN..).unwrap_or_default()].concat()
}

/// Returns the bytes of the owner, with its separator.
fn owner_len(key: &[u8]) -> usize {
    key.len().min(owner_of(key).len() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTRY: &[u8] = b"acme\0notes\0key";

    #[test]
    fn a_key_of_the_index_has_the_key_of_its_entry() {
        assert_eq!(entry_key_of(&expiry_key(7, ENTRY)), ENTRY);
        assert_eq!(entry_key_of(&expiry_key(7, b"\0schedules\0key")), b"\0schedules\0key");
    }

    #[test]
    fn the_expired_keys_are_those_of_one_owner() {
        let expired = expired_keys(b"acme", 7);
        assert!(expired.contains(&expiry_key(7, ENTRY)));
        assert!(!expired.contains(&expiry_key(8, ENTRY)));
        for other in [b"acm\0notes\0key".as_slice(), b"acme-2\0notes\0key", b"\0notes\0key"] {
            assert!(!expired.contains(&expiry_key(7, other)), "{other:?}");
        }
        assert!(after_owner(b"acme") > expiry_key(u64::MAX, ENTRY));
        assert!(after_owner(b"acme") < expiry_key(0, b"acme-2\0notes\0key"));
        assert!(after_owner(b"") < expiry_key(0, ENTRY));
    }
}
