//! Errors of tokens that clients present.

use thiserror::Error;

/// Why a token is not valid. The client gets the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(super) enum JwtError {
    #[error("the token cannot be read")]
    Undecodable,
    #[error("the token needs an extension that this server does not support")]
    UnsupportedExtension,
    #[error("the token is signed with an unknown key or algorithm")]
    InvalidSignature,
    #[error("the token has expired")]
    Expired,
    #[error("the token is not valid yet")]
    NotYetValid,
    #[error("the token is for another audience")]
    InvalidAudience,
    #[error("the token has an unknown issuer")]
    InvalidIssuer,
    #[error("the token lacks the claim {0}")]
    MissingClaim(&'static str),
    #[error("the claim {0} of the token has the wrong type")]
    MalformedClaim(&'static str),
}
