//! `symmetric_encryption_keys`: Fernet, as channels_redis uses it.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use fernet::Fernet;
use sha2::{Digest, Sha256};

use crate::config::Secret;

/// Keys, of which the first encrypts and each decrypts, so that one can take another's place.
pub(super) struct Keyring {
    keys: Vec<Fernet>,
    /// How old what is decrypted may be, in seconds.
    age: Option<u64>,
}

impl Keyring {
    /// None without keys. Each may be any text: it is hashed first (channels_redis, `serializers.py`, `make_fernet`).
    pub(super) fn new(keys: &[Secret], age: Option<Duration>) -> Option<Self> {
        let made = |key: &Secret| {
            let hash = Sha256::digest(key.reveal().as_bytes());
            // 32 bytes in base64 are a key.
            Fernet::new(&URL_SAFE.encode(hash))
        };
        let keys: Vec<_> = keys.iter().filter_map(made).collect();
        (!keys.is_empty()).then(|| Self { keys, age: age.map(|age| age.as_secs()) })
    }

    pub(super) fn encrypt(&self, body: &[u8]) -> Vec<u8> {
        self.keys[0].encrypt(body).into_bytes()
    }

    /// `None` where no key fits or the token is too old.
    pub(super) fn decrypt(&self, token: &[u8]) -> Option<Vec<u8>> {
        let token = std::str::from_utf8(token).ok()?;
        self.keys.iter().find_map(|key| match self.age {
            Some(age) => key.decrypt_with_ttl(token, age).ok(),
            None => key.decrypt(token).ok(),
        })
    }
}
