use std::fmt;

/// The host begins the texts of these errors with this. They are not the fault of the plugin.
#[cfg(any(target_family = "wasm", test))]
const UNAVAILABLE_PREFIX: &str = "key-value store unavailable: ";

/// The most bytes of a name that an error shows.
const MAX_SHOWN_BYTES: usize = 64;

/// Why an operation on a bucket failed. The texts name the bucket and the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyValueError {
    /// The name is not a valid name of a bucket. It has this text, of which a long one is cut.
    NoSuchStore(String),
    /// This plugin may not use the bucket.
    AccessDenied,
    /// The store does not respond or takes no writes, or a limit of the operator is reached, such as the quota of the
    /// tenant. The plugin is not to blame: with `?` in [`connect`](crate::Consumer::connect) the client gets 503.
    Unavailable(String),
    /// The operation is not valid, such as one with a key that is too long.
    Other(String),
}

impl KeyValueError {
    pub(super) fn no_such_store(name: &str) -> Self {
        Self::NoSuchStore(cut(name).to_owned())
    }

    /// The error with the names of the bucket and the key, as the host writes them.
    #[cfg(not(target_family = "wasm"))]
    pub(super) fn at(self, bucket: &str, key: &str) -> Self {
        let end = if cut(key) == key { "" } else { "…" };
        match self {
            Self::Other(text) => {
                Self::Other(format!("{text} (bucket {bucket:?}, key {:?}{end})", cut(key)))
            }
            other => other,
        }
    }

    /// The error of a text of the host.
    #[cfg(any(target_family = "wasm", test))]
    pub(super) fn from_text(text: String) -> Self {
        match text.starts_with(UNAVAILABLE_PREFIX) {
            true => Self::Unavailable(text),
            false => Self::Other(text),
        }
    }
}

fn cut(name: &str) -> &str {
    &name[..name.floor_char_boundary(MAX_SHOWN_BYTES)]
}

impl fmt::Display for KeyValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchStore(name) => write!(
                f,
                "no such store {name:?}: the name of a bucket has 1 to 99 ASCII letters, digits, '.', '_' and '-'"
            ),
            Self::AccessDenied => f.write_str("access denied"),
            Self::Unavailable(text) | Self::Other(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for KeyValueError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_the_store_is_told_from_one_of_the_plugin() {
        let away = "key-value store unavailable: no answer in time (bucket \"a\", key \"b\")";
        assert_eq!(
            KeyValueError::from_text(away.to_owned()),
            KeyValueError::Unavailable(away.to_owned())
        );
        let long = "the key has 2000 bytes, and the limit is 1024 bytes (bucket \"a\")";
        assert_eq!(
            KeyValueError::from_text(long.to_owned()),
            KeyValueError::Other(long.to_owned())
        );
    }

    #[test]
    fn the_error_of_a_name_shows_the_begin_of_a_long_name() {
        let KeyValueError::NoSuchStore(name) = KeyValueError::no_such_store(&"ä b".repeat(100))
        else {
            panic!("another error")
        };
        assert!(name.len() <= 64 && name.starts_with("ä bä b"), "{name}");
    }
}
