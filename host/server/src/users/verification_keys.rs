//! The keys that tokens are checked with.

use jsonwebtoken::{Algorithm, DecodingKey, crypto};

use super::jose_header::JoseHeader;
use super::jwk;
use narrowboat_config::{JwtAlgorithm, JwtConfig, JwtKeyFile};

/// Keys, each with what it is for.
pub(super) struct VerificationKeySet(Vec<VerificationKey>);

/// A key and the one way of signing that it checks.
pub(super) struct VerificationKey {
    /// The name by which tokens ask for it, if it has one.
    pub(super) id: Option<String>,
    pub(super) algorithm: JwtAlgorithm,
    pub(super) key: DecodingKey,
}

/// Keys of a set that may be tried for one token.
const MAX_KEYS: usize = 64;

/// Fewer bytes than the hash has could be guessed (RFC 7518, section 3.2).
const MIN_SECRET_BYTES: usize = 32;

impl VerificationKeySet {
    /// Reads the file of keys, of which those count that are for an algorithm that tokens may be signed by.
    pub(super) fn read(jwt: &JwtConfig) -> Result<Self, String> {
        let bytes = std::fs::read(jwt.key_file.path()).map_err(|error| error.to_string())?;
        let keys = match jwt.key_file {
            JwtKeyFile::Secret(_) => vec![parse_secret(&bytes)?],
            JwtKeyFile::PublicKey(_) => vec![parse_public_key(&bytes)?],
            JwtKeyFile::Jwks(_) => jwk::parse_jwk_set(&bytes)?,
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
                let algorithms: Vec<_> = algorithms.iter().map(|it| it.name()).collect();
                Err(format!(
                    "has no public key that checks signatures by {}",
                    algorithms.join(", ")
                ))
            }
            1..=MAX_KEYS => Ok(Self(keys)),
            count => Err(format!("has {count} keys; at most {MAX_KEYS} are taken")),
        }
    }

    /// Whether one of the keys that a token may mean has signed this: those of the name that it gives and those without
    /// one, or all where it gives none (RFC 7515, section 6).
    pub(super) fn verify(&self, header: &JoseHeader, signed: &str, signature: &str) -> bool {
        let algorithm = jsonwebtoken_algorithm(header.algorithm);
        let is_meant = |key: &&VerificationKey| {
            key.algorithm == header.algorithm
                && (header.key_id.is_none() || key.id.is_none() || key.id == header.key_id)
        };
        self.0.iter().filter(is_meant).any(|key| {
            crypto::verify(signature, signed.as_bytes(), &key.key, algorithm).unwrap_or(false)
        })
    }
}

/// The name that the jsonwebtoken crate gives an algorithm.
fn jsonwebtoken_algorithm(algorithm: JwtAlgorithm) -> Algorithm {
    match algorithm {
        JwtAlgorithm::Hs256 => Algorithm::HS256,
        JwtAlgorithm::Rs256 => Algorithm::RS256,
        JwtAlgorithm::Es256 => Algorithm::ES256,
        JwtAlgorithm::EdDsa => Algorithm::EdDSA,
    }
}

fn parse_secret(bytes: &[u8]) -> Result<VerificationKey, String> {
    let secret = bytes.trim_ascii();
    if secret.len() < MIN_SECRET_BYTES {
        return Err(format!(
            "a secret has at least {MIN_SECRET_BYTES} bytes, this one {}",
            secret.len()
        ));
    }
    let key = DecodingKey::from_secret(secret);
    Ok(VerificationKey { id: None, algorithm: JwtAlgorithm::Hs256, key })
}

fn parse_public_key(pem: &[u8]) -> Result<VerificationKey, String> {
    if pem.windows(11).any(|words| words == b"PRIVATE KEY") {
        return Err("is a private key; the host needs only the public one".to_owned());
    }
    let (algorithm, key) = if let Ok(key) = DecodingKey::from_rsa_pem(pem) {
        check_modulus(rsa_modulus(key_bytes(&key)).unwrap_or_default())?;
        (JwtAlgorithm::Rs256, key)
    } else if let Ok(key) = DecodingKey::from_ec_pem(pem) {
        (JwtAlgorithm::Es256, key)
    } else if let Ok(key) = DecodingKey::from_ed_pem(pem)
        && key_bytes(&key).len() == 32
    {
        (JwtAlgorithm::EdDsa, key)
    } else {
        return Err(UNSUPPORTED_KEY.to_owned());
    };
    // A key of another curve is found out by using it.
    crypto::verify("", b"", &key, jsonwebtoken_algorithm(algorithm))
        .map_err(|_| UNSUPPORTED_KEY.to_owned())?;
    Ok(VerificationKey { id: None, algorithm, key })
}

const UNSUPPORTED_KEY: &str = "is no public key of RSA, P-256 or Ed25519 as PEM";

fn key_bytes(key: &DecodingKey) -> &[u8] {
    key.try_get_as_bytes().unwrap_or_default()
}

/// RFC 7518, section 3.3, asks for 2048 bits at least; more than 4096 are not supported.
pub(super) fn check_modulus(modulus: &[u8]) -> Result<(), String> {
    let significant = modulus.iter().position(|byte| *byte != 0).unwrap_or(modulus.len());
    let bits = match &modulus[significant..] {
        [] => 0,
        [first, rest @ ..] => 8 - first.leading_zeros() as usize + 8 * rest.len(),
    };
    if (2048..=4096).contains(&bits) {
        Ok(())
    } else {
        Err(format!("a key of RSA has 2048 to 4096 bits, this one {bits}"))
    }
}

/// The modulus of a public key of RSA, the first number of the sequence (RFC 8017, appendix A.1.1).
fn rsa_modulus(der: &[u8]) -> Option<&[u8]> {
    let (sequence, _) = der_element(0x30, der)?;
    der_element(0x02, sequence).map(|(modulus, _)| modulus)
}

/// The content of the element of a type that bytes of DER begin with, and what follows it.
fn der_element(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (first, rest) = der.split_first()?;
    let (length, rest) = rest.split_first()?;
    let (length, rest) = match length {
        0x81..=0x84 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(length - 0x80))?;
            (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
        }
        _ => (usize::from(*length), rest),
    };
    (*first == tag).then(|| rest.split_at_checked(length))?
}
