use std::vec;

use super::{Bucket, KeyPage, KeyValueError};

/// The keys in one page.
const PAGE_KEYS: u32 = 1_000;

/// The keys of a bucket that begin with a prefix, as [`Bucket::keys`] returns them. It ends after an error.
#[derive(Debug)]
pub struct Keys<'a> {
    bucket: &'a Bucket,
    prefix: &'a str,
    page: vec::IntoIter<String>,
    next: NextPage,
}

/// The page behind the current one.
#[derive(Debug)]
enum NextPage {
    First,
    At(String),
    None,
}

impl<'a> Keys<'a> {
    pub(super) fn new(bucket: &'a Bucket, prefix: &'a str) -> Self {
        Self { bucket, prefix, page: Vec::new().into_iter(), next: NextPage::First }
    }
}

impl Iterator for Keys<'_> {
    type Item = Result<String, KeyValueError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(key) = self.page.next() {
                return Some(Ok(key));
            }
            let cursor = match std::mem::replace(&mut self.next, NextPage::None) {
                NextPage::First => None,
                NextPage::At(cursor) => Some(cursor),
                NextPage::None => return None,
            };
            let KeyPage { keys, cursor } =
                match self.bucket.list(self.prefix, cursor.as_deref(), PAGE_KEYS) {
                    Ok(page) => page,
                    Err(error) => return Some(Err(error)),
                };
            self.page = keys.into_iter();
            self.next = cursor.map_or(NextPage::None, NextPage::At);
        }
    }
}
