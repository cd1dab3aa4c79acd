//! The bucket and the keys of an operation, as its errors name them.

use std::fmt::{Display, Formatter, Result};

use crate::bucket::Bucket;

/// The most bytes of a key that an error shows.
const MAX_SHOWN_BYTES: usize = 64;

/// The bucket and the keys of an operation.
#[derive(Debug, Clone, Copy)]
pub struct OperationTarget<'a> {
    /// The bucket.
    pub bucket: &'a Bucket,
    /// The keys.
    pub subject: OperationSubject<'a>,
}

/// The keys of an operation.
#[derive(Debug, Clone, Copy)]
pub enum OperationSubject<'a> {
    /// One key.
    Key(&'a str),
    /// Several keys.
    Keys {
        /// The first of them.
        first: &'a str,
        /// The number of keys.
        count: usize,
    },
    /// The keys that begin with a prefix.
    Prefix(&'a str),
    /// All keys.
    Bucket,
}

impl<'a> OperationSubject<'a> {
    /// The keys of a batch.
    #[must_use]
    pub fn of_batch(keys: &'a [String]) -> Self {
        let first = keys.first().map_or("", String::as_str);
        Self::Keys { first, count: keys.len() }
    }
}

impl Display for OperationTarget<'_> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> Result {
        write!(formatter, "bucket {:?}", self.bucket.name())?;
        match self.subject {
            OperationSubject::Key(key) => write!(formatter, ", key {}", Shown(key)),
            OperationSubject::Keys { first, count: 1 } => {
                write!(formatter, ", key {}", Shown(first))
            }
            OperationSubject::Keys { first, count } => {
                write!(formatter, ", {count} keys, the first {}", Shown(first))
            }
            OperationSubject::Prefix("") | OperationSubject::Bucket => Ok(()),
            OperationSubject::Prefix(prefix) => write!(formatter, ", prefix {}", Shown(prefix)),
        }
    }
}

/// A key in quotes, of which a long one is cut.
struct Shown<'a>(&'a str);

impl Display for Shown<'_> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> Result {
        let cut = &self.0[..self.0.floor_char_boundary(MAX_SHOWN_BYTES)];
        let end = if cut.len() < self.0.len() { "…" } else { "" };
        write!(formatter, "{cut:?}{end}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(subject: OperationSubject<'_>) -> String {
        OperationTarget { bucket: &Bucket::system("visits"), subject }.to_string()
    }

    #[test]
    fn an_error_names_the_bucket_and_the_key() {
        assert_eq!(shown(OperationSubject::Key("a\nb")), r#"bucket "visits", key "a\nb""#);
        assert_eq!(shown(OperationSubject::Bucket), r#"bucket "visits""#);
        assert_eq!(shown(OperationSubject::Prefix("s:")), r#"bucket "visits", prefix "s:""#);
    }

    #[test]
    fn an_error_of_a_batch_names_its_first_key() {
        let keys = ["one".to_owned(), "two".to_owned()];
        let subject = OperationSubject::of_batch(&keys);
        assert_eq!(shown(subject), r#"bucket "visits", 2 keys, the first "one""#);
        assert_eq!(shown(OperationSubject::of_batch(&keys[..1])), r#"bucket "visits", key "one""#);
    }

    #[test]
    fn an_error_cuts_a_long_key() {
        let key = "ä".repeat(500);
        let expected = format!("bucket \"visits\", key \"{}\"…", "ä".repeat(32));
        assert_eq!(shown(OperationSubject::Key(&key)), expected);
    }
}
