//! Encryption with Fernet, as in channels_redis.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use fernet::Fernet;
use sha2::{Digest, Sha256};

use super::wire_error::WireError;
use narrowboat_config::Secret;

/// The characters of a token's header: one byte for the version and eight for the time of encryption.
const TOKEN_HEADER_CHARS: usize = 12;

/// Encrypts and decrypts bodies.
pub(super) struct Cipher {
    /// Encrypts and decrypts.
    primary_key: Fernet,
    /// Decrypt only.
    fallback_keys: Vec<Fernet>,
    max_age: Option<Duration>,
}

impl Cipher {
    /// Creates a cipher, or returns `None` if there are no keys. `max_age` is the largest age of a token.
    pub(super) fn new(secrets: &[Secret], max_age: Option<Duration>) -> Option<Self> {
        let (first, others) = secrets.split_first()?;
        Some(Self {
            primary_key: fernet_key(first),
            fallback_keys: others.iter().map(fernet_key).collect(),
            max_age,
        })
    }

    /// Encrypts a body to a token.
    pub(super) fn encrypt(&self, body: &[u8]) -> String {
        self.primary_key.encrypt(body)
    }

    /// Decrypts a token.
    ///
    /// # Errors
    /// [`WireError::Undecryptable`] or [`WireError::TooOld`].
    pub(super) fn decrypt(&self, token: &[u8]) -> Result<Vec<u8>, WireError> {
        let text = std::str::from_utf8(token).map_err(|_| WireError::Undecryptable)?;
        // The crate's own check of the age adds a number that it has not authenticated yet, which may overflow.
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

/// Derives the key as channels_redis does: `Fernet(urlsafe_b64encode(sha256(key)))`.
fn fernet_key(secret: &Secret) -> Fernet {
    let digest = URL_SAFE.encode(Sha256::digest(secret.expose()));
    Fernet::new(&digest).unwrap_or_else(|| unreachable!("a digest has the 32 bytes of a key"))
}

/// Returns the age of an authentic token.
fn token_age(token: &[u8]) -> Option<Duration> {
    let mut header = [0; TOKEN_HEADER_CHARS / 4 * 3];
    URL_SAFE.decode_slice(token.get(..TOKEN_HEADER_CHARS)?, &mut header).ok()?;
    let [_version, timestamp @ ..] = header;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    Some(now.saturating_sub(Duration::from_secs(u64::from_be_bytes(timestamp))))
}
