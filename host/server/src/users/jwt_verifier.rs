//! Tokens that others have signed (RFC 7519), and whether they are believed.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use thiserror::Error;

use super::UserAuthError;
use super::claims::ClaimsValidation;
use super::jose_header::JoseHeader;
use super::verification_keys::VerificationKeySet;
use narrowboat_config::{JwtConfig, TokenLocation};
use narrowboat_core::handshake_response::Rejection;
use narrowboat_websocket::handshake::HandshakeRequest;

/// Where tokens are looked for, and what they are checked with.
pub(super) struct JwtVerifier {
    config: JwtConfig,
    keys: RwLock<Arc<VerificationKeySet>>,
}

/// Why a token is not believed, in words for its bearer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(super) enum JwtError {
    #[error("the token cannot be read")]
    Undecodable,
    #[error("the token needs an extension that is not known here")]
    UnsupportedExtension,
    #[error("the token is signed by a key, or in a way, that is not known here")]
    InvalidSignature,
    #[error("the token has expired")]
    Expired,
    #[error("the token is not valid yet")]
    NotYetValid,
    #[error("the token is for somebody else")]
    InvalidAudience,
    #[error("the token is of somebody who is not known here")]
    InvalidIssuer,
    #[error("the token lacks a claim that it must have: {0}")]
    MissingClaim(&'static str),
    #[error("a claim of the token is of the wrong type: {0}")]
    MalformedClaim(&'static str),
}

impl JwtVerifier {
    pub(super) fn load(jwt: JwtConfig) -> Result<Self, UserAuthError> {
        let keys = RwLock::new(Arc::new(read_keys(&jwt)?));
        Ok(Self { config: jwt, keys })
    }

    /// The file that the keys are in.
    pub(super) fn key_file(&self) -> PathBuf {
        self.config.key_file.path().to_owned()
    }

    /// Reads the keys anew; what cannot be read leaves those that were.
    pub(super) fn reload(&self) {
        match read_keys(&self.config) {
            Ok(keys) => {
                *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
                tracing::info!("tokens are checked with the new keys");
            }
            Err(error) => tracing::warn!("{error}; the keys stay that were"),
        }
    }

    /// The claims of the handshake's token as JSON, if it has one.
    ///
    /// # Errors
    /// 401 for a token that is not believed.
    pub(super) fn verified_claims(
        &self,
        opening: &HandshakeRequest,
    ) -> Result<Option<String>, Rejection> {
        let token = self
            .config
            .token_locations
            .iter()
            .find_map(|place: &TokenLocation| opening.bearer_token(place));
        let Some(token) = token else { return Ok(None) };
        let keys = Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner));
        let checked = verify_token(&token, &self.config, &keys, SystemTime::now());
        checked.map(Some).map_err(|why| super::unauthorized(&why.to_string()))
    }
}

/// The claims of a token that is believed at a time, as it says them: a number of any length stays what it is.
fn verify_token(
    token: &str,
    jwt: &JwtConfig,
    keys: &VerificationKeySet,
    now: SystemTime,
) -> Result<String, JwtError> {
    let (signed, signature) = token.rsplit_once('.').ok_or(JwtError::Undecodable)?;
    let (header, payload) = signed.split_once('.').ok_or(JwtError::Undecodable)?;
    let header = JoseHeader::parse(&decode_base64url(header)?)?;
    if !jwt.algorithms.contains(&header.algorithm) {
        return Err(JwtError::InvalidSignature);
    }
    if !keys.verify(&header, signed, signature) {
        return Err(JwtError::InvalidSignature);
    }
    let claims = decode_base64url(payload)?;
    let expected = ClaimsValidation {
        audience: jwt.audience.as_deref(),
        issuer: jwt.issuer.as_deref(),
        leeway: jwt.leeway.duration(),
    };
    expected.validate(&claims, now)?;
    String::from_utf8(claims).map_err(|_| JwtError::Undecodable)
}

/// RFC 7515, section 2: without padding, and in one way only.
fn decode_base64url(part: &str) -> Result<Vec<u8>, JwtError> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| JwtError::Undecodable)
}

fn read_keys(jwt: &JwtConfig) -> Result<VerificationKeySet, UserAuthError> {
    VerificationKeySet::read(jwt).map_err(|problem| UserAuthError::Keys {
        key: jwt.key_file.config_key(),
        file: jwt.key_file.path().to_owned(),
        problem,
    })
}
