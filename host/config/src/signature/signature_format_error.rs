//! The error of bytes that are not a signature.

use thiserror::Error;

/// Bytes or a text that is not a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("is not a signature of Ed25519: expected 64 bytes, raw or as base64")]
pub struct SignatureFormatError;
