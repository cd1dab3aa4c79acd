//! JSON Web Keys (RFC 7517).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use serde::Deserialize;
use serde_json::Value;

use super::verification_key::{VerificationKey, check_modulus};
use narrowboat_config::JwtAlgorithm;

/// A set of keys (section 5). Other members are ignored.
#[derive(Deserialize)]
struct JwkSet {
    keys: Vec<Value>,
}

/// The purpose of a key, and its public part. The private part, if the key has one, is not read.
#[derive(Deserialize)]
struct Jwk {
    /// Section 4.1.
    kty: String,
    /// Section 4.2.
    #[serde(rename = "use")]
    purpose: Option<String>,
    /// Section 4.3.
    key_ops: Option<Vec<String>>,
    /// Section 4.4.
    alg: Option<String>,
    /// Section 4.5.
    kid: Option<String>,
    /// RFC 7518, section 6.3.1.
    n: Option<String>,
    e: Option<String>,
    /// RFC 7518, section 6.2.1, and RFC 8037, section 2.
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

/// Returns the keys of a set that verify signatures. Other keys, and keys that are not understood, are ignored, as section
/// 5 requires: the set may serve other recipients too.
pub(super) fn parse_jwk_set(json: &[u8]) -> Result<Vec<VerificationKey>, String> {
    let set: JwkSet =
        serde_json::from_slice(json).map_err(|error| format!("is not a set of keys: {error}"))?;
    let keys = set.keys.into_iter().filter_map(|key| serde_json::from_value(key).ok());
    Ok(keys.filter_map(Jwk::into_verification_key).collect())
}

impl Jwk {
    /// Converts the key, if it verifies signatures.
    fn into_verification_key(self) -> Option<VerificationKey> {
        let for_signatures = self.purpose.as_deref().is_none_or(|purpose| purpose == "sig");
        let may_verify = |operations: &Vec<String>| operations.iter().any(|name| name == "verify");
        if !for_signatures || !self.key_ops.as_ref().is_none_or(may_verify) {
            return None;
        }
        let (algorithm, key) = match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", _) => (JwtAlgorithm::Rs256, rsa_key(self.n.as_deref()?, self.e.as_deref()?)?),
            ("EC", Some("P-256")) => {
                (JwtAlgorithm::Es256, p256_key(self.x.as_deref()?, self.y.as_deref()?)?)
            }
            ("OKP", Some("Ed25519")) => (JwtAlgorithm::EdDsa, ed25519_key(self.x.as_deref()?)?),
            // A secret ("oct") does not belong into a set of public keys.
            _ => return None,
        };
        let is_for = |name: String| JwtAlgorithm::from_name(&name) == Some(algorithm);
        self.alg.is_none_or(is_for).then_some(VerificationKey { id: self.kid, algorithm, key })
    }
}

fn rsa_key(modulus: &str, exponent: &str) -> Option<DecodingKey> {
    check_modulus(&decode_base64url(modulus)?).ok()?;
    DecodingKey::from_rsa_components(modulus, exponent).ok()
}

/// RFC 7518, section 6.2.1.2: each coordinate has its full length.
fn p256_key(x: &str, y: &str) -> Option<DecodingKey> {
    let is_full = |coordinate| decode_base64url(coordinate).is_some_and(|bytes| bytes.len() == 32);
    (is_full(x) && is_full(y)).then(|| DecodingKey::from_ec_components(x, y).ok())?
}

/// RFC 8032, section 5.1.5.
fn ed25519_key(x: &str) -> Option<DecodingKey> {
    let is_full = decode_base64url(x)?.len() == 32;
    is_full.then(|| DecodingKey::from_ed_components(x).ok())?
}

fn decode_base64url(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// RFC 8037, appendix A.2.
    const X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

    fn ed(more: &Value) -> Value {
        let mut key = json!({"kty": "OKP", "crv": "Ed25519", "x": X});
        if let (Some(key), Some(more)) = (key.as_object_mut(), more.as_object()) {
            key.extend(more.clone());
        }
        key
    }

    fn count(keys: &[Value]) -> usize {
        parse_jwk_set(json!({ "keys": keys, "more": 1 }).to_string().as_bytes()).unwrap().len()
    }

    #[test]
    fn rfc_7517_4_2_to_4_4_keys_for_anything_but_checking_signatures_are_left_out() {
        for taken in [
            json!({}),
            json!({"use": "sig"}),
            json!({"key_ops": ["verify"]}),
            json!({"use": "sig", "key_ops": ["sign", "verify"]}),
            json!({"alg": "EdDSA"}),
            json!({"alg": "Ed25519"}),
            json!({"x5c": 1, "x5t": {}, "issuer": "https://x", "d": "secret"}),
        ] {
            assert_eq!(count(&[ed(&taken)]), 1, "{taken}");
        }
        for left_out in [
            json!({"use": "enc"}),
            json!({"use": "Sig"}),
            json!({"use": "tls"}),
            json!({"key_ops": ["encrypt", "wrapKey"]}),
            json!({"key_ops": ["sign"]}),
            json!({"key_ops": []}),
            json!({"use": "sig", "key_ops": ["deriveKey"]}),
            json!({"use": "enc", "key_ops": ["verify"]}),
            json!({"alg": "ECDH-ES"}),
            json!({"alg": "ES256"}),
            json!({"alg": "eddsa"}),
        ] {
            assert_eq!(count(&[ed(&left_out)]), 0, "{left_out}");
        }
    }

    #[test]
    fn rfc_7517_5_keys_that_are_not_understood_do_not_spoil_the_set() {
        for strange in [
            json!({"kty": "AKP", "alg": "ML-DSA-44", "pub": "AAAA"}),
            json!({"kty": "EC", "crv": "P-384", "x": X, "y": X}),
            json!({"kty": "EC", "crv": "secp256k1", "x": X, "y": X}),
            json!({"kty": "OKP", "crv": "X25519", "x": X}),
            json!({"kty": "oct", "k": "AAAA"}),
            json!({"kid": "without a type"}),
            json!({"kty": 1}),
            json!({"kty": "OKP", "crv": "Ed25519", "x": X, "kid": 7}),
            json!({"kty": "OKP", "crv": "Ed25519", "x": X, "key_ops": "verify"}),
            json!("no key"),
            Value::Null,
        ] {
            assert_eq!(count(&[strange.clone(), ed(&json!({}))]), 1, "{strange}");
        }
    }

    #[test]
    fn rfc_7518_6_and_rfc_8037_2_keys_of_another_length_are_left_out() {
        for short in ["", "AAAA", &X[1..], &format!("{X}AAAA"), &format!("{X}=")] {
            assert_eq!(count(&[json!({"kty": "OKP", "crv": "Ed25519", "x": short})]), 0);
            assert_eq!(count(&[json!({"kty": "EC", "crv": "P-256", "x": short, "y": X})]), 0);
        }
        // RFC 7518, section 3.3: 2048 bits or more.
        let modulus = |bytes| URL_SAFE_NO_PAD.encode(vec![0xff; bytes]);
        for (bytes, taken) in [(128, 0), (255, 0), (256, 1), (512, 1), (513, 0)] {
            let key = json!({"kty": "RSA", "n": modulus(bytes), "e": "AQAB"});
            assert_eq!(count(&[key]), taken, "{bytes} bytes");
        }
    }
}
