//! Encryption with Fernet, as in channels_redis.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use fernet::Fernet;
use sha2::{Digest, Sha256};

use super::wire_error::WireError;
use narrowboat_config::{Secret, SecretText};

/// The characters of a token's header: one byte for the version and eight for the time of encryption.
const TOKEN_HEADER_CHARS: usize = 12;

/// Encrypts and decrypts bodies. A key in the environment or in a file may change: the next body is encrypted with the new
/// key, and the key before still decrypts, because messages are on their way.
pub(super) struct Cipher {
    secrets: Vec<Secret>,
    keys: RwLock<Arc<CipherKeys>>,
    max_age: Option<Duration>,
}

/// The keys that some secrets give.
struct CipherKeys {
    texts: Vec<SecretText>,
    /// Encrypts and decrypts.
    primary: Fernet,
    /// Decrypt only.
    fallbacks: Vec<Fernet>,
    /// The keys before the last change, which decrypt only.
    earlier: Vec<Fernet>,
}

impl Cipher {
    /// Creates a cipher, or returns `None` if there are no keys. `max_age` is the largest age of a token.
    pub(super) fn new(secrets: &[Secret], max_age: Option<Duration>) -> Option<Self> {
        let keys = RwLock::new(Arc::new(CipherKeys::new(secrets, Vec::new())?));
        Some(Self { secrets: secrets.to_vec(), keys, max_age })
    }

    /// The keys of this moment.
    fn keys(&self) -> Arc<CipherKeys> {
        let keys = Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner));
        if keys.are_current(&self.secrets) {
            return keys;
        }
        let mut current = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        // Another thread may have replaced them.
        if !current.are_current(&self.secrets)
            && let Some(keys) = CipherKeys::new(&self.secrets, current.derive_all())
        {
            *current = Arc::new(keys);
        }
        Arc::clone(&current)
    }

    /// Encrypts a body to a token.
    pub(super) fn encrypt(&self, body: &[u8]) -> String {
        self.keys().primary.encrypt(body)
    }

    /// Decrypts a token.
    ///
    /// # Errors
    /// [`WireError::Undecryptable`] or [`WireError::TooOld`].
    pub(super) fn decrypt(&self, token: &[u8]) -> Result<Vec<u8>, WireError> {
        let text = std::str::from_utf8(token).map_err(|_| WireError::Undecryptable)?;
        // The crate's own check of the age adds a number that it has not authenticated yet, which may overflow.
        let body = self.keys().decrypt(text);
        let body = body.ok_or(WireError::Undecryptable)?;
        let age = token_age(token).ok_or(WireError::Undecryptable)?;
        match self.max_age {
            Some(max) if age > max => Err(WireError::TooOld { age, max }),
            _ => Ok(body),
        }
    }
}

impl CipherKeys {
    /// The keys of secrets; `None` if there are none.
    fn new(secrets: &[Secret], earlier: Vec<Fernet>) -> Option<Self> {
        let texts: Vec<_> = secrets.iter().map(Secret::expose).collect();
        let (first, others) = texts.split_first()?;
        let (primary, fallbacks) = (fernet_key(first), others.iter().map(fernet_key).collect());
        Some(Self { texts, primary, fallbacks, earlier })
    }

    /// Whether no secret has changed since the keys were derived.
    fn are_current(&self, secrets: &[Secret]) -> bool {
        let pairs = self.texts.iter().zip(secrets);
        pairs.into_iter().all(|(text, secret)| text.is_same(&secret.expose()))
    }

    /// Derives the primary key and the fallbacks again.
    fn derive_all(&self) -> Vec<Fernet> {
        self.texts.iter().map(fernet_key).collect()
    }

    fn decrypt(&self, token: &str) -> Option<Vec<u8>> {
        let mut keys = std::iter::once(&self.primary).chain(&self.fallbacks).chain(&self.earlier);
        keys.find_map(|key| key.decrypt(token).ok())
    }
}

/// Derives the key as channels_redis does: `Fernet(urlsafe_b64encode(sha256(key)))`.
fn fernet_key(secret: &SecretText) -> Fernet {
    let digest = URL_SAFE.encode(Sha256::digest(secret.as_bytes()));
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
