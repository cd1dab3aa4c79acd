//! The verification of tokens that clients present (RFC 7519).

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use super::claims::ClaimsValidation;
use super::jose_header::JoseHeader;
use super::jwt_error::JwtError;
use super::user_auth_error::UserAuthError;
use super::verification_keys::VerificationKeySet;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use narrowboat_config::{JwtConfig, TokenLocation};
use narrowboat_core::handshake_response::{HostRejection, Rejection};
use narrowboat_websocket::handshake::HandshakeRequest;

/// Verifies the tokens of handshakes.
pub(super) struct JwtVerifier {
    config: JwtConfig,
    keys: RwLock<Arc<VerificationKeySet>>,
}

impl JwtVerifier {
    /// Reads the keys.
    ///
    /// # Errors
    /// The problem with the file of the keys.
    pub(super) fn load(jwt: JwtConfig) -> Result<Self, UserAuthError> {
        let keys = RwLock::new(Arc::new(read_keys(&jwt)?));
        Ok(Self { config: jwt, keys })
    }

    /// The file of the keys, if they are in one.
    pub(super) fn key_file(&self) -> Option<PathBuf> {
        self.config.key_file.path().map(Path::to_owned)
    }

    /// Reads the keys again. If they cannot be read, the current keys stay. Returns the problem, which the log has too.
    pub(super) fn reload(&self) -> Option<String> {
        match read_keys(&self.config) {
            Ok(keys) => {
                *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
                tracing::info!("keys of tokens reloaded");
                None
            }
            Err(error) => {
                tracing::warn!(%error, "cannot reload the keys of tokens; they stay as they were");
                Some(error.to_string())
            }
        }
    }

    /// Returns the claims of the handshake's token as JSON; `None` if it has no token.
    ///
    /// # Errors
    /// 401 if the token is not valid.
    pub(super) fn verified_claims(
        &self,
        request: &HandshakeRequest,
    ) -> Result<Option<String>, Rejection> {
        let token = self
            .config
            .token_locations
            .iter()
            .find_map(|location: &TokenLocation| request.bearer_token(location));
        let Some(token) = token else { return Ok(None) };
        let keys = Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner));
        let claims = verify_token(&token, &self.config, &keys, SystemTime::now());
        claims.map(Some).map_err(|error| HostRejection::InvalidToken(&error.to_string()).into())
    }
}

/// Returns the claims of a token that is valid at the time `now`, byte for byte, so that numbers keep all digits.
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

/// Decodes base64url without padding (RFC 7515, section 2). Encodings that are not canonical are errors.
fn decode_base64url(part: &str) -> Result<Vec<u8>, JwtError> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| JwtError::Undecodable)
}

fn read_keys(jwt: &JwtConfig) -> Result<VerificationKeySet, UserAuthError> {
    VerificationKeySet::read(jwt).map_err(|problem| UserAuthError::Keys {
        key: jwt.key_file.config_key(),
        source_of: jwt.key_file.to_string(),
        problem,
    })
}
