//! Fernet, as channels_redis uses it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use fernet::Fernet;
use sha2::{Digest, Sha256};

use super::error::WireError;
use narrowboat_config::Secret;

/// How many characters of a token say its version, a byte, and when it was made, eight bytes.
const STAMPED: usize = 12;

/// Encrypts and decrypts bodies.
pub(super) struct Cipher {
    /// Encrypts, and decrypts.
    first: Fernet,
    /// Decrypt as well.
    others: Vec<Fernet>,
    max_age: Option<Duration>,
}

impl Cipher {
    /// None where there is no key. `max_age` is how old a token may be.
    pub(super) fn new(secrets: &[Secret], max_age: Option<Duration>) -> Option<Self> {
        let (first, others) = secrets.split_first()?;
        Some(Self { first: key(first), others: others.iter().map(key).collect(), max_age })
    }

    /// A token of the body.
    pub(super) fn encrypt(&self, body: &[u8]) -> String {
        self.first.encrypt(body)
    }

    /// A token from the future is refused as `cryptography` refuses it where tokens have an age: from a minute on.
    pub(super) fn decrypt(&self, token: &[u8]) -> Result<Vec<u8>, WireError> {
        let text = std::str::from_utf8(token).map_err(|_| WireError::Undecryptable)?;
        // The crate's own check of the age adds what it has not authenticated yet, and may overflow.
        let mut keys = std::iter::once(&self.first).chain(&self.others);
        let body = keys.find_map(|key| key.decrypt(text).ok());
        let body = body.ok_or(WireError::Undecryptable)?;
        let age = age(token).ok_or(WireError::Undecryptable)?;
        match self.max_age {
            Some(max) if age > max => Err(WireError::TooOld { age, max }),
            _ => Ok(body),
        }
    }
}

/// channels_redis: `Fernet(urlsafe_b64encode(sha256(key)))`.
fn key(secret: &Secret) -> Fernet {
    let digest = URL_SAFE.encode(Sha256::digest(secret.reveal()));
    Fernet::new(&digest).unwrap_or_else(|| unreachable!("a digest has the 32 bytes of a key"))
}

/// How long ago an authentic token was made.
fn age(token: &[u8]) -> Option<Duration> {
    let mut stamped = [0; STAMPED / 4 * 3];
    URL_SAFE.decode_slice(token.get(..STAMPED)?, &mut stamped).ok()?;
    let [_version, made @ ..] = stamped;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    Some(now.saturating_sub(Duration::from_secs(u64::from_be_bytes(made))))
}
