//! Fernet, as channels_redis uses it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use fernet::Fernet;
use sha2::{Digest, Sha256};

use super::error::WireError;
use narrowboat_config::Secret;

/// How many characters of a token say its version, a byte, and when it was made, eight bytes.
const TOKEN_HEADER_CHARS: usize = 12;

/// Encrypts and decrypts bodies.
pub(super) struct Cipher {
    /// Encrypts, and decrypts.
    primary_key: Fernet,
    /// Decrypt as well.
    fallback_keys: Vec<Fernet>,
    max_age: Option<Duration>,
}

impl Cipher {
    /// None where there is no key. `max_age` is how old a token may be.
    pub(super) fn new(secrets: &[Secret], max_age: Option<Duration>) -> Option<Self> {
        let (first, others) = secrets.split_first()?;
        Some(Self {
            primary_key: fernet_key(first),
            fallback_keys: others.iter().map(fernet_key).collect(),
            max_age,
        })
    }

    /// A token of the body.
    pub(super) fn encrypt(&self, body: &[u8]) -> String {
        self.primary_key.encrypt(body)
    }

    /// A token from the future is refused as `cryptography` refuses it where tokens have an age: from a minute on.
    pub(super) fn decrypt(&self, token: &[u8]) -> Result<Vec<u8>, WireError> {
        let text = std::str::from_utf8(token).map_err(|_| WireError::Undecryptable)?;
        // The crate's own check of the age adds what it has not authenticated yet, and may overflow.
        let mut keys = std::iter::once(&self.primary_key).chain(&self.fallback_keys);
        let body = keys.find_map(|key| key.decrypt(text).ok());
        let body = body.ok_or(WireError::Undecryptable)?;
        let age = token_age(token).ok_or(WireError::Undecryptable)?;
        match self.max_age {
            Some(max) if age > max => Err(WireError::TooOld { age, max }),
            _ => Ok(body),
        }
    }
}

/// channels_redis: `Fernet(urlsafe_b64encode(sha256(key)))`.
fn fernet_key(secret: &Secret) -> Fernet {
    let digest = URL_SAFE.encode(Sha256::digest(secret.expose()));
    Fernet::new(&digest).unwrap_or_else(|| unreachable!("a digest has the 32 bytes of a key"))
}

/// How long ago an authentic token was made.
fn token_age(token: &[u8]) -> Option<Duration> {
    let mut stamped = [0; TOKEN_HEADER_CHARS / 4 * 3];
    URL_SAFE.decode_slice(token.get(..TOKEN_HEADER_CHARS)?, &mut stamped).ok()?;
    let [_version, made @ ..] = stamped;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    Some(now.saturating_sub(Duration::from_secs(u64::from_be_bytes(made))))
}
