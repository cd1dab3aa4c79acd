use std::fmt;

use serde::de;

/// Why serde could not deserialise a message. The variants are the cases that `decode` treats differently.
#[derive(Debug)]
pub(super) enum DecodeError {
    UnknownVariant(String, &'static [&'static str]),
    MissingField(&'static str),
    Other(String),
}

impl de::Error for DecodeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::Other(message.to_string())
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        Self::UnknownVariant(variant.to_owned(), expected)
    }

    fn missing_field(field: &'static str) -> Self {
        Self::MissingField(field)
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownVariant(variant, _) => write!(formatter, "unknown variant {variant:?}"),
            Self::MissingField(field) => write!(formatter, "missing field {field:?}"),
            Self::Other(text) => formatter.write_str(text),
        }
    }
}

impl std::error::Error for DecodeError {}
