//! Tokens that others have signed (RFC 7519), and whether they are believed.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use thiserror::Error;

use super::UsersError;
use super::claims::Expected;
use super::header::Header;
use super::keys::Keys;
use narrowboat_config::{JwtConfig, TokenPlace};
use narrowboat_core::answer::Rejection;
use narrowboat_websocket::handshake::Opening;

/// Where tokens are looked for, and what they are checked with.
pub(super) struct Tokens {
    jwt: JwtConfig,
    keys: RwLock<Arc<Keys>>,
}

/// Why a token is not believed, in words for its bearer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(super) enum Disbelief {
    #[error("the token cannot be read")]
    Unreadable,
    #[error("the token needs an extension that is not known here")]
    Extension,
    #[error("the token is signed by a key, or in a way, that is not known here")]
    Signature,
    #[error("the token has expired")]
    Expired,
    #[error("the token is not valid yet")]
    TooEarly,
    #[error("the token is for somebody else")]
    Audience,
    #[error("the token is of somebody who is not known here")]
    Issuer,
    #[error("the token lacks a claim that it must have: {0}")]
    Missing(&'static str),
    #[error("a claim of the token is of the wrong type: {0}")]
    Malformed(&'static str),
}

impl Tokens {
    pub(super) fn load(jwt: JwtConfig) -> Result<Self, UsersError> {
        let keys = RwLock::new(Arc::new(read(&jwt)?));
        Ok(Self { jwt, keys })
    }

    /// The file that the keys are in.
    pub(super) fn file(&self) -> PathBuf {
        self.jwt.keys.file().to_owned()
    }

    /// Reads the keys anew; what cannot be read leaves those that were.
    pub(super) fn renew(&self) {
        match read(&self.jwt) {
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
    pub(super) fn claims(&self, opening: &Opening) -> Result<Option<String>, Rejection> {
        let token = self.jwt.from.iter().find_map(|place: &TokenPlace| opening.token(place));
        let Some(token) = token else { return Ok(None) };
        let keys = Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner));
        let checked = check(&token, &self.jwt, &keys, SystemTime::now());
        checked.map(Some).map_err(|why| super::unknown(&why.to_string()))
    }
}

/// The claims of a token that is believed at a time, as it says them: a number of any length stays what it is.
fn check(token: &str, jwt: &JwtConfig, keys: &Keys, now: SystemTime) -> Result<String, Disbelief> {
    let (signed, signature) = token.rsplit_once('.').ok_or(Disbelief::Unreadable)?;
    let (header, payload) = signed.split_once('.').ok_or(Disbelief::Unreadable)?;
    let header = Header::parse(&decoded(header)?)?;
    if !jwt.algorithms.contains(&header.algorithm) {
        return Err(Disbelief::Signature);
    }
    if !keys.have_signed(&header, signed, signature) {
        return Err(Disbelief::Signature);
    }
    let claims = decoded(payload)?;
    let expected = Expected {
        audience: jwt.audience.as_deref(),
        issuer: jwt.issuer.as_deref(),
        leeway: jwt.leeway.duration(),
    };
    expected.check(&claims, now)?;
    String::from_utf8(claims).map_err(|_| Disbelief::Unreadable)
}

/// RFC 7515, section 2: without padding, and in one way only.
fn decoded(part: &str) -> Result<Vec<u8>, Disbelief> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| Disbelief::Unreadable)
}

fn read(jwt: &JwtConfig) -> Result<Keys, UsersError> {
    Keys::read(jwt).map_err(|problem| UsersError::Keys {
        key: jwt.keys.key(),
        file: jwt.keys.file().to_owned(),
        problem,
    })
}
