//! The keys that verify tokens.

use std::path::Path;

use jsonwebtoken::crypto;

use super::jose_header::JoseHeader;
use super::jwk;
use super::verification_key::{
    VerificationKey, jsonwebtoken_algorithm, parse_public_key, parse_secret,
};
use narrowboat_config::{JwtAlgorithm, JwtConfig, JwtKeyFile};
use narrowboat_core::regular_file::read_regular_file;

/// The keys that verify tokens.
pub(super) struct VerificationKeySet(Vec<VerificationKey>);

/// The largest file of keys, in bytes.
const MAX_KEY_FILE_BYTES: u64 = 1 << 20;

/// The largest number of keys, which bounds the work for one token.
const MAX_KEYS: usize = 64;

impl VerificationKeySet {
    /// Reads the file of the keys. Keys for algorithms that are not configured are ignored.
    pub(super) fn read(jwt: &JwtConfig) -> Result<Self, String> {
        let read = |file: &Path| {
            read_regular_file(file, MAX_KEY_FILE_BYTES).map_err(|error| error.to_string())
        };
        let keys = match &jwt.key_file {
            JwtKeyFile::Secret(file) => vec![parse_secret(&read(file)?)?],
            JwtKeyFile::SecretVariable(secret) => vec![parse_secret(secret.expose().as_bytes())?],
            JwtKeyFile::PublicKey(file) => vec![parse_public_key(&read(file)?)?],
            JwtKeyFile::Jwks(file) => jwk::parse_jwk_set(&read(file)?)?,
        };
        Self::filter_by_algorithm(keys, &jwt.algorithms)
    }

    fn filter_by_algorithm(
        mut keys: Vec<VerificationKey>,
        algorithms: &[JwtAlgorithm],
    ) -> Result<Self, String> {
        keys.retain(|key| algorithms.contains(&key.algorithm));
        match keys.len() {
            0 => {
                let algorithms: Vec<_> =
                    algorithms.iter().map(|algorithm| algorithm.name()).collect();
                Err(format!("has no public key for signatures by {}", algorithms.join(", ")))
            }
            1..=MAX_KEYS => Ok(Self(keys)),
            count => Err(format!("has {count} keys; at most {MAX_KEYS} are allowed")),
        }
    }

    /// Whether `signature` is the signature of `signed` by one of the keys. If the header has a key ID, only keys with this
    /// ID or without one are tried (RFC 7515, section 6).
    pub(super) fn verify(&self, header: &JoseHeader, signed: &str, signature: &str) -> bool {
        let algorithm = jsonwebtoken_algorithm(header.algorithm);
        let is_candidate = |key: &&VerificationKey| {
            key.algorithm == header.algorithm
                && (header.key_id.is_none() || key.id.is_none() || key.id == header.key_id)
        };
        self.0.iter().filter(is_candidate).any(|key| {
            crypto::verify(signature, signed.as_bytes(), &key.key, algorithm).unwrap_or(false)
        })
    }
}
