//! The tables of the file.

use redb::TableDefinition;

/// The entries: owner, bucket and key, to time of expiry and value.
pub(super) const ENTRIES: TableDefinition<'static, &[u8], &[u8]> = TableDefinition::new("entries");

/// The entries that expire, by owner and time of expiry.
pub(super) const EXPIRIES: TableDefinition<'static, &[u8], ()> =
    TableDefinition::new("expiries-of-owners");

/// The entries that expire in files of format 1: the time of expiry, followed by the key in [`ENTRIES`].
pub(super) const EXPIRIES_1: TableDefinition<'static, &[u8], ()> = TableDefinition::new("expiries");

/// The bytes that the entries of each owner count for.
pub(super) const USAGE: TableDefinition<'static, &[u8], u64> = TableDefinition::new("usage");

/// The version of the format of the file.
pub(super) const FORMAT: TableDefinition<'static, &str, u64> = TableDefinition::new("narrowboat");

/// The key in [`FORMAT`].
pub(super) const FORMAT_KEY: &str = "format";

/// The version of this format.
pub(super) const FORMAT_VERSION: u64 = 2;
