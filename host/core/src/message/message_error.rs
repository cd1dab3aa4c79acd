//! The errors of the message parser.

/// The deepest nesting of maps and lists, including the message itself.
pub const MAX_DEPTH: usize = 64;

/// The reason why bytes are not a message. Positions are in bytes from the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// The message is larger than allowed.
    #[error("a message of {len} bytes is larger than the limit of {max}")]
    TooLarge {
        /// The number of bytes.
        len: usize,
        /// The limit.
        max: usize,
    },
    /// The bytes end inside a value, or a length exceeds them.
    #[error("the message ends inside the value at byte {at}")]
    Truncated {
        /// The start of the incomplete value.
        at: usize,
    },
    /// The message is not a map.
    #[error("the message is not a map")]
    NotAMap,
    /// A key of the message is not a string.
    #[error("the key at byte {at} is not a string")]
    KeyNotString {
        /// The start of the key.
        at: usize,
    },
    /// A key of a nested map is neither a string nor bytes.
    #[error("the key at byte {at} is neither a string nor bytes")]
    InvalidKey {
        /// The start of the key.
        at: usize,
    },
    /// A string is not UTF-8.
    #[error("the string at byte {at} is not UTF-8")]
    NotUtf8 {
        /// The start of the string, including its length.
        at: usize,
    },
    /// The value has an extension type or a reserved marker. Messages have nil, booleans, numbers, strings, bytes, lists
    /// and maps only.
    #[error("the value at byte {at} has a type that messages cannot have (marker {marker:#04x})")]
    Unsupported {
        /// The start of the value.
        at: usize,
        /// The first byte of the value.
        marker: u8,
    },
    /// Maps and lists are nested deeper than [`MAX_DEPTH`].
    #[error("the value at byte {at} is nested deeper than {MAX_DEPTH} levels")]
    TooDeep {
        /// The start of the map or list that is too deep.
        at: usize,
    },
    /// The message has no key `type`.
    #[error("the message has no \"type\"")]
    NoType,
    /// The value under `type` is not a string.
    #[error("the \"type\" at byte {at} is not a string")]
    TypeNotString {
        /// The start of the value.
        at: usize,
    },
    /// The value under `type` is the empty string.
    #[error("the \"type\" at byte {at} is empty")]
    TypeEmpty {
        /// The start of the value.
        at: usize,
    },
    /// The `type` starts with `_`. Channels refuses it, because it would name a private method.
    #[error("the \"type\" at byte {at} starts with '_'")]
    TypePrivate {
        /// The start of the value.
        at: usize,
    },
    /// The message has a second key `type`, so readers could disagree about its type.
    #[error("the message has a second \"type\" at byte {at}")]
    DuplicateType {
        /// The start of the second value.
        at: usize,
    },
    /// Extra bytes follow the map.
    #[error("extra bytes follow the message at byte {at}")]
    TrailingBytes {
        /// The start of the extra bytes.
        at: usize,
    },
}
