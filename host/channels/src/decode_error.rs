//! Why something that was read from a backend is not a message.

/// Why something that was read from a backend is not taken, as the label `cause` of the metric names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeErrorCause {
    /// No key decrypts it, or it is not encrypted.
    Encryption,
    /// It was encrypted too long ago.
    Age,
    /// It is shorter than the random prefix.
    Prefix,
    /// It has more bytes than a message may have.
    Size,
    /// It holds an integer that 64 bits do not hold.
    Integer,
    /// It holds an extension type of MessagePack.
    Extension,
    /// It holds text that is not UTF-8, such as half of a surrogate pair.
    Text,
    /// Maps and lists lie too deep in each other.
    Depth,
    /// It does not say in a known way whom it is for.
    Address,
    /// It has no `type` that names a handler.
    Type,
    /// It is something else.
    Other,
}

impl DecodeErrorCause {
    /// Every cause, in the order of the type.
    pub const ALL: [Self; 11] = [
        Self::Encryption,
        Self::Age,
        Self::Prefix,
        Self::Size,
        Self::Integer,
        Self::Extension,
        Self::Text,
        Self::Depth,
        Self::Address,
        Self::Type,
        Self::Other,
    ];

    /// The cause as a label says it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Encryption => "encryption",
            Self::Age => "age",
            Self::Prefix => "prefix",
            Self::Size => "size",
            Self::Integer => "integer",
            Self::Extension => "extension",
            Self::Text => "text",
            Self::Depth => "depth",
            Self::Address => "address",
            Self::Type => "type",
            Self::Other => "other",
        }
    }

    /// What an operator may do about it.
    pub(super) const fn hint(self) -> &'static str {
        match self {
            Self::Encryption => "; have all processes the same symmetric_encryption_keys?",
            Self::Age => "; do the clocks of the processes agree?",
            Self::Prefix => "; have all processes the same random_prefix_length?",
            _ => "",
        }
    }
}

/// How often something was not taken, by cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DecodeErrorCounts([u64; DecodeErrorCause::ALL.len()]);

impl DecodeErrorCounts {
    /// Counts as they are read from somewhere.
    pub(super) fn from_counts(count: impl Fn(DecodeErrorCause) -> u64) -> Self {
        Self(DecodeErrorCause::ALL.map(count))
    }

    /// All causes together.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Each cause and its count.
    pub fn counts_by_cause(&self) -> impl Iterator<Item = (DecodeErrorCause, u64)> {
        DecodeErrorCause::ALL.into_iter().zip(self.0)
    }
}
