//! The check of names, and the macro that defines a type of names.

use super::name_error::{MAX_NAME_LEN, NameError};

/// The number of characters of an invalid name in its error.
const EXCERPT_LEN: usize = 40;

/// Returns the start of a name, escaped.
fn excerpt(name: &str) -> String {
    let shown: String = name.chars().take(EXCERPT_LEN).flat_map(char::escape_default).collect();
    if name.chars().nth(EXCERPT_LEN).is_some() { shown + "…" } else { shown }
}

/// Checks a name. `separator_allowed` decides whether the name may have a `!` at a position.
///
/// # Errors
/// The first rule that the name breaks.
pub(super) fn check_name(
    name: &str,
    separator_allowed: fn(&str, usize) -> bool,
) -> Result<(), NameError> {
    if name.is_empty() {
        return Err(NameError::Empty);
    }
    if name.chars().nth(MAX_NAME_LEN).is_some() {
        return Err(NameError::TooLong { name: excerpt(name), len: name.len() });
    }
    for (position, character) in name.char_indices() {
        match character {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '_' | '-' => {}
            '!' if separator_allowed(name, position) => {}
            '!' => {
                return Err(NameError::MisplacedSeparator { name: excerpt(name), position });
            }
            _ => {
                return Err(NameError::BadCharacter { name: excerpt(name), character, position });
            }
        }
    }
    Ok(())
}

/// Allows no `!`.
pub(super) fn no_separator(_name: &str, _position: usize) -> bool {
    false
}

/// Defines a type of names that are checked with [`check_name`].
macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident, $separator:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(name: &str) -> Result<Self, NameError> {
                check_name(name, $separator)?;
                Ok(Self(name.into()))
            }
        }

        impl TryFrom<&str> for $name {
            type Error = NameError;

            fn try_from(name: &str) -> Result<Self, NameError> {
                name.parse()
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(name: String) -> Result<Self, NameError> {
                name.parse()
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }
    };
}

pub(super) use name_type;
