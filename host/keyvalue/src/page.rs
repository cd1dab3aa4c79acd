//! A page of keys.

/// The largest number of keys in a page.
pub(crate) const MAX_PAGE_KEYS: usize = 1_000;

/// Some keys of a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The keys, in no particular order.
    pub keys: Vec<String>,
    /// The cursor of the next page; `None` if this is the last page.
    pub cursor: Option<String>,
}
