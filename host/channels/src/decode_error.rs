//! Causes and counts of decoding errors.

/// The cause of a decoding error: why a value that a layer read from its backend is not a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeErrorCause {
    /// No key decrypts the value, or it is not encrypted.
    Encryption,
    /// The value was encrypted too long ago.
    Age,
    /// The value is shorter than the random prefix.
    Prefix,
    /// The value has more bytes than a message may have.
    Size,
    /// An integer does not fit in 64 bits.
    Integer,
    /// The message contains an extension type of MessagePack.
    Extension,
    /// A string is not UTF-8, such as half of a surrogate pair.
    Text,
    /// Maps and arrays are nested too deeply.
    Depth,
    /// The address of the message has an unknown form.
    Address,
    /// The message has no `type` that names a handler.
    Type,
    /// Any other cause.
    Other,
}

impl DecodeErrorCause {
    /// Every cause, in the order of the declaration.
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

    /// Returns the value of the metric's label `cause`.
    #[must_use]
    pub const fn label(self) -> &'static str {
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

    /// Returns a hint for the operator, to append to a log line.
    pub(super) const fn hint(self) -> &'static str {
        match self {
            Self::Encryption => {
                "; check that all processes have the same symmetric_encryption_keys"
            }
            Self::Age => "; check that the clocks of the processes agree",
            Self::Prefix => "; check that all processes have the same random_prefix_length",
            _ => "",
        }
    }
}

/// The numbers of decoding errors by cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DecodeErrorCounts([u64; DecodeErrorCause::ALL.len()]);

impl DecodeErrorCounts {
    /// Collects the counts with a function that returns the count of a cause.
    pub(super) fn from_counts(count: impl Fn(DecodeErrorCause) -> u64) -> Self {
        Self(DecodeErrorCause::ALL.map(count))
    }

    /// Returns the sum over all causes.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Returns each cause with its count.
    pub fn counts_by_cause(&self) -> impl Iterator<Item = (DecodeErrorCause, u64)> {
        DecodeErrorCause::ALL.into_iter().zip(self.0)
    }
}
