//! A page of keys.

/// The largest number of keys in a page.
pub(crate) const MAX_PAGE_KEYS: usize = 1_000;

/// The bytes of keys after which a page ends.
pub(crate) const MAX_PAGE_BYTES: usize = 1 << 20;

/// Some keys of a bucket.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// The keys. In memory and in a file they are in ascending order of their bytes. In Redis they have no order.
    pub keys: Vec<String>,
    /// The cursor of the next page; `None` if this is the last page. A page may be empty and have a cursor.
    pub cursor: Option<String>,
}
