//! The errors of names.

/// The longest name in characters: Channels requires fewer than 100.
pub const MAX_NAME_LEN: usize = 99;

/// The reason why a name is not valid. Its message has the name in short and escaped form, so it can be logged.
/// Positions are in bytes from 0.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The name is empty.
    #[error("a name is empty")]
    Empty,
    /// The name has more than [`MAX_NAME_LEN`] characters.
    #[error("the name \"{name}\" of {len} bytes is longer than {MAX_NAME_LEN} characters")]
    TooLong {
        /// The beginning of the name, escaped.
        name: String,
        /// The length of the whole name in bytes.
        len: usize,
    },
    /// A character is not an ASCII letter, digit, `.`, `_` or `-`.
    #[error(
        "the name \"{name}\" has {character:?} at byte {position}; ASCII letters, digits, '.', '_' and '-' are allowed"
    )]
    BadCharacter {
        /// The beginning of the name, escaped.
        name: String,
        /// The first character that is not allowed.
        character: char,
        /// Its position.
        position: usize,
    },
    /// A `!` is misplaced: at the start of the name of a channel, for a second time, or in a name that is not of a
    /// channel.
    #[error(
        "the name \"{name}\" has a '!' at byte {position}; only a channel may have one '!', after its first part"
    )]
    MisplacedSeparator {
        /// The beginning of the name, escaped.
        name: String,
        /// Its position.
        position: usize,
    },
}
