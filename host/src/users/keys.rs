//! The keys that tokens are checked with.

use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey};

use crate::config::JwtKeys;

/// Keys, each with what it is for.
pub(super) struct Keys(Vec<Key>);

struct Key {
    /// The name by which tokens ask for it, if it has one.
    id: Option<String>,
    key: DecodingKey,
}

impl Keys {
    /// Reads a file of keys.
    pub(super) fn read(keys: &JwtKeys) -> Result<Self, String> {
        let bytes = std::fs::read(keys.file()).map_err(|error| error.to_string())?;
        match keys {
            JwtKeys::Secret(_) => secret(&bytes),
            JwtKeys::Public(_) => public(&bytes),
            JwtKeys::Set(_) => set(&bytes),
        }
    }

    /// The key that a token asks for, or the one there is of its kind. One without a name may be asked for by any.
    pub(super) fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Option<&DecodingKey> {
        let of_its_kind = self.0.iter().filter(|key| key.key.family() == algorithm.family());
        let named = |key: &&Key| id.is_none() || key.id.is_none() || key.id.as_deref() == id;
        of_its_kind.filter(named).map(|key| &key.key).next()
    }
}

/// Fewer bytes than the hash has could be guessed (RFC 7518, section 3.2).
const SHORTEST_SECRET: usize = 32;

fn secret(bytes: &[u8]) -> Result<Keys, String> {
    let secret = bytes.trim_ascii();
    if secret.len() < SHORTEST_SECRET {
        return Err(format!(
            "a secret has at least {SHORTEST_SECRET} bytes, this one {}",
            secret.len()
        ));
    }
    Ok(Keys(vec![Key { id: None, key: DecodingKey::from_secret(secret) }]))
}

fn public(pem: &[u8]) -> Result<Keys, String> {
    let ways = [DecodingKey::from_rsa_pem, DecodingKey::from_ec_pem, DecodingKey::from_ed_pem];
    let key = ways.into_iter().find_map(|way| way(pem).ok());
    let key = key.ok_or("is no public key of RSA, P-256 or Ed25519 as PEM")?;
    Ok(Keys(vec![Key { id: None, key }]))
}

/// Keys of other kinds, and those for encryption, are left out: others may use the same set.
fn set(json: &[u8]) -> Result<Keys, String> {
    let set: JwkSet =
        serde_json::from_slice(json).map_err(|error| format!("is no set of keys: {error}"))?;
    let keys = set.keys.iter().filter_map(|jwk: &Jwk| {
        let key = DecodingKey::from_jwk(jwk).ok()?;
        // A secret has no place among public keys.
        let id = jwk.common.key_id.clone();
        (key.family() != AlgorithmFamily::Hmac).then_some(Key { id, key })
    });
    let keys: Vec<_> = keys.collect();
    if keys.is_empty() {
        Err("has no public key of RSA, P-256 or Ed25519".to_owned())
    } else {
        Ok(Keys(keys))
    }
}
