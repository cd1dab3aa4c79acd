//! A key that verifies tokens.

use jsonwebtoken::{Algorithm, DecodingKey, crypto};

use narrowboat_config::JwtAlgorithm;

/// A key, and the one algorithm that it is for.
pub(super) struct VerificationKey {
    /// The ID that tokens refer to, if the key has one.
    pub(super) id: Option<String>,
    pub(super) algorithm: JwtAlgorithm,
    pub(super) key: DecodingKey,
}

/// The least length of a secret: that of the hash (RFC 7518, section 3.2).
const MIN_SECRET_BYTES: usize = 32;

/// The algorithm as a type of the crate jsonwebtoken.
pub(super) fn jsonwebtoken_algorithm(algorithm: JwtAlgorithm) -> Algorithm {
    match algorithm {
        JwtAlgorithm::Hs256 => Algorithm::HS256,
        JwtAlgorithm::Rs256 => Algorithm::RS256,
        JwtAlgorithm::Es256 => Algorithm::ES256,
        JwtAlgorithm::EdDsa => Algorithm::EdDSA,
    }
}

/// Parses a secret for HMAC.
pub(super) fn parse_secret(bytes: &[u8]) -> Result<VerificationKey, String> {
    let secret = bytes.trim_ascii();
    if secret.len() < MIN_SECRET_BYTES {
        return Err(format!(
            "a secret has at least {MIN_SECRET_BYTES} bytes, this one has {}",
            secret.len()
        ));
    }
    let key = DecodingKey::from_secret(secret);
    Ok(VerificationKey { id: None, algorithm: JwtAlgorithm::Hs256, key })
}

/// Parses a public key as PEM.
pub(super) fn parse_public_key(pem: &[u8]) -> Result<VerificationKey, String> {
    if pem.windows(11).any(|bytes| bytes == b"PRIVATE KEY") {
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
    // Only the use of a key shows that it is of another curve.
    crypto::verify("", b"", &key, jsonwebtoken_algorithm(algorithm))
        .map_err(|_| UNSUPPORTED_KEY.to_owned())?;
    Ok(VerificationKey { id: None, algorithm, key })
}

const UNSUPPORTED_KEY: &str = "is not a public key of RSA, P-256 or Ed25519 as PEM";

fn key_bytes(key: &DecodingKey) -> &[u8] {
    key.try_get_as_bytes().unwrap_or_default()
}

/// Checks the size of an RSA key: RFC 7518, section 3.3, requires 2048 bits or more, and more than 4096 are not
/// supported.
pub(super) fn check_modulus(modulus: &[u8]) -> Result<(), String> {
    let significant = modulus.iter().position(|byte| *byte != 0).unwrap_or(modulus.len());
    let bits = match &modulus[significant..] {
        [] => 0,
        [first, rest @ ..] => 8 - first.leading_zeros() as usize + 8 * rest.len(),
    };
    if (2048..=4096).contains(&bits) {
        Ok(())
    } else {
        Err(format!("an RSA key has 2048 to 4096 bits, this one has {bits}"))
    }
}

/// The modulus of a public RSA key: the first integer of the sequence (RFC 8017, appendix A.1.1).
fn rsa_modulus(der: &[u8]) -> Option<&[u8]> {
    let (sequence, _) = der_element(0x30, der)?;
    der_element(0x02, sequence).map(|(modulus, _)| modulus)
}

/// Splits DER bytes after their first element, which must have this tag: returns its content and the rest.
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
