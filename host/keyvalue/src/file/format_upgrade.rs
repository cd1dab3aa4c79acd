//! The upgrade of a file of an earlier format.

use redb::{ReadableTable, WriteTransaction};

use super::expiry_index::expiry_key;
use super::tables::{EXPIRIES, EXPIRIES_1, FORMAT, FORMAT_KEY, FORMAT_VERSION};

/// Brings a file of format 1, whose index of expiry is not by owner, to the current format.
pub(super) fn upgrade_from_1(transaction: &WriteTransaction) -> Result<(), redb::Error> {
    let mut expiries = transaction.open_table(EXPIRIES)?;
    for row in transaction.open_table(EXPIRIES_1)?.iter()? {
        let (old, _) = row?;
        if let Some((expiry, entry_key)) = old.value().split_first_chunk() {
            let key = expiry_key(u64::from_be_bytes(*expiry), entry_key);
            expiries.insert(key.as_slice(), ())?;
        }
    }
    transaction.delete_table(EXPIRIES_1)?;
    transaction.open_table(FORMAT)?.insert(FORMAT_KEY, FORMAT_VERSION)?;
    Ok(())
}
