//! Tokens that others have signed (RFC 7519), and whether they are believed.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Validation, decode, decode_header};
use serde_json::{Map, Value};

use super::UsersError;
use super::keys::Keys;
use crate::answer::Rejection;
use crate::config::{JwtAlgorithm, JwtConfig, JwtKeys};
use crate::handshake::Opening;

/// Where tokens are looked for, and what they are checked with.
pub(super) struct Tokens {
    jwt: JwtConfig,
    validation: Validation,
    keys: RwLock<Arc<Keys>>,
}

impl Tokens {
    pub(super) fn load(jwt: JwtConfig) -> Result<Self, UsersError> {
        let keys = RwLock::new(Arc::new(read(&jwt.keys)?));
        Ok(Self { validation: validation(&jwt), keys, jwt })
    }

    /// The file that the keys are in.
    pub(super) fn file(&self) -> PathBuf {
        self.jwt.keys.file().to_owned()
    }

    /// Reads the keys anew; what cannot be read leaves those that were.
    pub(super) fn renew(&self) {
        match read(&self.jwt.keys) {
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
        let token = self.jwt.from.iter().find_map(|place| opening.token(place));
        token.map(|token| self.check(&token)).transpose()
    }

    fn check(&self, token: &str) -> Result<String, Rejection> {
        let header = decode_header(token).map_err(|error| super::unknown(words(error.kind())))?;
        if !self.validation.algorithms.contains(&header.alg) {
            return Err(super::unknown(words(&ErrorKind::InvalidAlgorithm)));
        }
        let keys = Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner));
        let Some(key) = keys.find(header.kid.as_deref(), header.alg) else {
            return Err(super::unknown("the token is signed by a key that is not known here"));
        };
        // The crate takes a list of one kind only.
        let validation = Validation { algorithms: vec![header.alg], ..self.validation.clone() };
        match decode::<Map<String, Value>>(token, key, &validation) {
            Ok(token) => Ok(Value::Object(token.claims).to_string()),
            Err(error) => Err(super::unknown(words(error.kind()))),
        }
    }
}

fn read(keys: &JwtKeys) -> Result<Keys, UsersError> {
    Keys::read(keys).map_err(|problem| UsersError::Keys {
        key: keys.key(),
        file: keys.file().to_owned(),
        problem,
    })
}

fn validation(jwt: &JwtConfig) -> Validation {
    let mut validation = Validation {
        algorithms: jwt.algorithms.iter().copied().map(algorithm).collect(),
        leeway: jwt.leeway.duration().as_secs(),
        validate_nbf: true,
        ..Validation::default()
    };
    let mut required = vec!["exp"];
    if let Some(audience) = &jwt.audience {
        validation.set_audience(&[audience]);
        required.push("aud");
    }
    if let Some(issuer) = &jwt.issuer {
        validation.set_issuer(&[issuer]);
        required.push("iss");
    }
    validation.set_required_spec_claims(&required);
    validation
}

fn algorithm(algorithm: JwtAlgorithm) -> Algorithm {
    match algorithm {
        JwtAlgorithm::Hs256 => Algorithm::HS256,
        JwtAlgorithm::Rs256 => Algorithm::RS256,
        JwtAlgorithm::Es256 => Algorithm::ES256,
        JwtAlgorithm::EdDsa => Algorithm::EdDSA,
    }
}

fn words(error: &ErrorKind) -> &'static str {
    match error {
        ErrorKind::ExpiredSignature => "the token has expired",
        ErrorKind::ImmatureSignature => "the token is not valid yet",
        ErrorKind::InvalidAudience => "the token is for somebody else",
        ErrorKind::InvalidIssuer => "the token is of somebody who is not known here",
        ErrorKind::MissingRequiredClaim(_) => "the token lacks a claim that it must have",
        ErrorKind::InvalidSignature | ErrorKind::InvalidAlgorithm => {
            "the token is signed by a key, or in a way, that is not known here"
        }
        _ => "the token cannot be read",
    }
}
