//! The header of a token (RFC 7515, section 4).

use serde_json::Value;

use super::jwt_error::JwtError;
use super::unique_object::UniqueObject;
use narrowboat_config::JwtAlgorithm;

/// How a token is signed. Parameters that contain or locate a key (`jku`, `jwk`, `x5u`, `x5c`, `x5t`) are not read: only
/// the operator's keys are used.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct JoseHeader {
    /// The algorithm of the signature.
    pub(super) algorithm: JwtAlgorithm,
    /// The ID of the key that signed the token.
    pub(super) key_id: Option<String>,
}

impl JoseHeader {
    /// Parses the JSON text of a header.
    pub(super) fn parse(json: &[u8]) -> Result<Self, JwtError> {
        let parameters = UniqueObject::parse(json).map_err(|_| JwtError::Undecodable)?;
        // Section 4.1.11: a token with an extension that is not supported is invalid. No extension is supported, and the
        // list must not be empty.
        if parameters.contains_key("crit") {
            return Err(JwtError::UnsupportedExtension);
        }
        // RFC 7797: the payload would not be encoded, which is not allowed in a JWT (section 7).
        if parameters.get("b64").is_some_and(|encoded| *encoded != Value::Bool(true)) {
            return Err(JwtError::UnsupportedExtension);
        }
        let text = |name| match parameters.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(JwtError::Undecodable),
        };
        // Types for applications (sections 4.1.9 and 4.1.10). They do not affect the validity.
        for name in ["typ", "cty"] {
            text(name)?;
        }
        let key_id = text("kid")?.cloned();
        let algorithm = text("alg")?.ok_or(JwtError::Undecodable)?;
        let algorithm = JwtAlgorithm::from_name(algorithm).ok_or(JwtError::InvalidSignature)?;
        Ok(Self { algorithm, key_id })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(json: &str) -> JwtError {
        JoseHeader::parse(json.as_bytes()).unwrap_err()
    }

    #[test]
    fn rfc_7515_4_1_11_a_header_with_crit_makes_the_token_invalid() {
        for crit in ["[\"x\"]", "[\"b64\"]", "[\"exp\"]", "[]", "null", "\"x\"", "[1]", "[\"alg\"]"]
        {
            let json = format!("{{\"alg\":\"HS256\",\"crit\":{crit},\"x\":1}}");
            assert_eq!(refused(&json), JwtError::UnsupportedExtension, "{crit}");
        }
    }

    #[test]
    fn rfc_7797_a_payload_that_is_not_encoded_is_refused_with_and_without_crit() {
        for b64 in ["false", "0", "null", "\"true\""] {
            let json = format!("{{\"alg\":\"HS256\",\"b64\":{b64}}}");
            assert_eq!(refused(&json), JwtError::UnsupportedExtension, "{b64}");
        }
        assert!(JoseHeader::parse(br#"{"alg":"HS256","b64":true}"#).is_ok());
    }

    #[test]
    fn rfc_7515_4_1_1_only_an_algorithm_of_the_list_is_known() {
        for algorithm in ["none", "NONE", "None", "hs256", "HS512", "RSA-OAEP", ""] {
            let json = format!("{{\"alg\":{algorithm:?}}}");
            assert_eq!(refused(&json), JwtError::InvalidSignature, "{algorithm}");
        }
        for json in ["{}", "[]", "null", "{\"alg\":\"HS256\"}x", ""] {
            assert_eq!(refused(json), JwtError::Undecodable, "{json}");
        }
        for json in ["{\"alg\":null}", "{\"alg\":[\"HS256\"]}", "{\"alg\":{\"HS256\":null}}"] {
            assert!(JoseHeader::parse(json.as_bytes()).is_err(), "{json}");
        }
    }

    #[test]
    fn rfc_7515_4_a_parameter_that_comes_twice_makes_the_token_invalid() {
        assert_eq!(refused(r#"{"alg":"HS256","alg":"HS256"}"#), JwtError::Undecodable);
        assert_eq!(refused(r#"{"alg":"HS256","kid":"a","kid":"b"}"#), JwtError::Undecodable);
        assert_eq!(refused(r#"{"alg":"HS256","x":1,"x":1}"#), JwtError::Undecodable);
    }

    #[test]
    fn rfc_7515_4_1_parameters_of_another_type_make_the_token_invalid() {
        for parameter in ["kid", "typ", "cty"] {
            for value in ["7", "null", "[\"a\"]", "{}"] {
                let json = format!("{{\"alg\":\"HS256\",\"{parameter}\":{value}}}");
                assert_eq!(refused(&json), JwtError::Undecodable, "{json}");
            }
        }
    }

    #[test]
    fn rfc_7515_4_1_2_to_4_1_8_keys_in_a_header_are_not_read() {
        let json = br#"{"alg":"HS256","kid":"a","jku":"https://evil.example/","jwk":{"kty":"oct","k":"AA"},"x5u":1,"x5c":"?"}"#;
        let header = JoseHeader { algorithm: JwtAlgorithm::Hs256, key_id: Some("a".to_owned()) };
        assert_eq!(JoseHeader::parse(json).unwrap(), header);
    }
}
