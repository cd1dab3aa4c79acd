//! The claims of a token (RFC 7519, section 4).

use std::time::{Duration, SystemTime};

use serde_json::{Map, Value};

use super::jwt_error::JwtError;
use super::unique_object::UniqueObject;

/// The requirements on the claims of a token.
pub(super) struct ClaimsValidation<'a> {
    /// The required audience. With `None` a token that names an audience is not valid.
    pub(super) audience: Option<&'a str>,
    /// The required issuer, if any.
    pub(super) issuer: Option<&'a str>,
    /// The difference of clocks that is tolerated.
    pub(super) leeway: Duration,
}

impl ClaimsValidation<'_> {
    /// Validates the claims of a token, whose signature is valid, at the time `now`. Other claims are up to the consumer.
    pub(super) fn validate(&self, json: &[u8], now: SystemTime) -> Result<(), JwtError> {
        let claims = UniqueObject::parse(json).map_err(|_| JwtError::Undecodable)?;
        self.check_time(&claims, now)?;
        self.check_issuer(claims.get("iss"))?;
        self.check_audience(claims.get("aud"))
    }

    fn check_time(&self, claims: &Map<String, Value>, now: SystemTime) -> Result<(), JwtError> {
        let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let leeway = self.leeway.as_secs_f64();
        let expiry = numeric_date(claims, "exp")?.ok_or(JwtError::MissingClaim("exp"))?;
        // Section 4.1.4: the token must not be accepted "on or after" this time.
        if now >= expiry + leeway {
            return Err(JwtError::Expired);
        }
        if numeric_date(claims, "nbf")?.is_some_and(|not_before| now < not_before - leeway) {
            return Err(JwtError::NotYetValid);
        }
        // Section 4.1.6: the age of a token is not limited, but its type is checked.
        numeric_date(claims, "iat").map(|_| ())
    }

    fn check_issuer(&self, issuer: Option<&Value>) -> Result<(), JwtError> {
        match (issuer, self.issuer) {
            (None, None) => Ok(()),
            (None, Some(_)) => Err(JwtError::MissingClaim("iss")),
            (Some(Value::String(issuer)), wanted) => {
                let is_valid = wanted.is_none_or(|wanted| wanted == issuer);
                if is_valid { Ok(()) } else { Err(JwtError::InvalidIssuer) }
            }
            (Some(_), _) => Err(JwtError::MalformedClaim("iss")),
        }
    }

    /// Section 4.1.3: the token is valid only if the required audience is in its list.
    fn check_audience(&self, audience: Option<&Value>) -> Result<(), JwtError> {
        let names = match audience {
            None if self.audience.is_none() => return Ok(()),
            None => return Err(JwtError::MissingClaim("aud")),
            Some(Value::Array(names)) => names.as_slice(),
            Some(name) => std::slice::from_ref(name),
        };
        if !names.iter().all(Value::is_string) {
            return Err(JwtError::MalformedClaim("aud"));
        }
        let is_listed = |wanted| names.iter().any(|name| name.as_str() == Some(wanted));
        if self.audience.is_some_and(is_listed) { Ok(()) } else { Err(JwtError::InvalidAudience) }
    }
}

/// A NumericDate (section 2): seconds since 1970, possibly negative or with a fraction.
fn numeric_date(claims: &Map<String, Value>, name: &'static str) -> Result<Option<f64>, JwtError> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    let seconds = value.as_f64().filter(|seconds| seconds.is_finite());
    seconds.map(Some).ok_or(JwtError::MalformedClaim(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn checked(claims: &str, expected: &ClaimsValidation<'_>) -> Result<(), JwtError> {
        expected.validate(claims.as_bytes(), SystemTime::UNIX_EPOCH + Duration::from_secs(NOW))
    }

    fn within_leeway(claims: &str) -> Result<(), JwtError> {
        checked(
            claims,
            &ClaimsValidation { audience: None, issuer: None, leeway: Duration::from_secs(30) },
        )
    }

    #[test]
    fn rfc_7519_2_a_date_is_a_number_of_seconds_with_a_fraction_or_without() {
        for end in ["1800000000.5", "1.9e9", "1900000000", "1e300", "18446744073709551616"] {
            assert_eq!(within_leeway(&format!("{{\"exp\":{end}}}")), Ok(()), "{end}");
        }
        for end in ["-5", "-1e300", "0", "1", "1e-300"] {
            let found = within_leeway(&format!("{{\"exp\":{end}}}"));
            assert_eq!(found, Err(JwtError::Expired), "{end}");
        }
        for end in ["null", "\"1900000000\"", "true", "[1900000000]", "{}"] {
            let found = within_leeway(&format!("{{\"exp\":{end}}}"));
            assert_eq!(found, Err(JwtError::MalformedClaim("exp")), "{end}");
        }
        for end in ["1e400", "-1e400", "NaN", "Infinity", "0x7fffffff", "1900000000."] {
            let found = within_leeway(&format!("{{\"exp\":{end}}}"));
            assert_eq!(found, Err(JwtError::Undecodable), "{end}");
        }
        for claim in ["nbf", "iat"] {
            let found = within_leeway(&format!("{{\"exp\":1900000000,\"{claim}\":\"1\"}}"));
            assert_eq!(found, Err(JwtError::MalformedClaim(claim)));
        }
    }

    #[test]
    fn rfc_7519_4_1_4_a_token_ends_at_its_exp_and_the_leeway_exactly() {
        assert_eq!(within_leeway("{}"), Err(JwtError::MissingClaim("exp")));
        let ends = [("1799999970.001", Ok(())), ("1799999970", Err(JwtError::Expired))];
        for (end, found) in ends {
            assert_eq!(within_leeway(&format!("{{\"exp\":{end}}}")), found, "{end}");
        }
    }

    #[test]
    fn rfc_7519_4_1_5_a_token_begins_at_its_nbf_less_the_leeway_exactly() {
        let beginnings = [("1800000030", Ok(())), ("1800000030.001", Err(JwtError::NotYetValid))];
        for (beginning, found) in beginnings {
            let claims = format!("{{\"exp\":1900000000,\"nbf\":{beginning}}}");
            assert_eq!(within_leeway(&claims), found, "{beginning}");
        }
        assert_eq!(within_leeway(r#"{"exp":1900000000,"nbf":-1.5,"iat":1.9e9}"#), Ok(()));
    }

    #[test]
    fn rfc_7519_4_a_claim_that_comes_twice_makes_the_token_invalid() {
        for claims in [r#"{"exp":1,"exp":1900000000}"#, r#"{"exp":1900000000,"a":1,"a":1}"#] {
            assert_eq!(within_leeway(claims), Err(JwtError::Undecodable));
        }
    }

    #[test]
    fn rfc_7519_4_1_1_and_4_1_3_issuer_and_audience_are_text() {
        let chat = ClaimsValidation {
            audience: Some("chat"),
            issuer: Some("https://id"),
            leeway: Duration::ZERO,
        };
        for (claims, found) in [
            (r#""iss":"https://id","aud":"chat""#, Ok(())),
            (r#""iss":"https://id","aud":["mail","chat"]"#, Ok(())),
            (r#""iss":"https://id","aud":["mail"]"#, Err(JwtError::InvalidAudience)),
            (r#""iss":"https://id","aud":[]"#, Err(JwtError::InvalidAudience)),
            (r#""iss":"https://id""#, Err(JwtError::MissingClaim("aud"))),
            (r#""iss":"https://id","aud":["chat",1]"#, Err(JwtError::MalformedClaim("aud"))),
            (r#""iss":"https://id","aud":null"#, Err(JwtError::MalformedClaim("aud"))),
            (r#""aud":"chat""#, Err(JwtError::MissingClaim("iss"))),
            (r#""iss":"https://id/","aud":"chat""#, Err(JwtError::InvalidIssuer)),
            (r#""iss":["https://id"],"aud":"chat""#, Err(JwtError::MalformedClaim("iss"))),
        ] {
            let claims = format!("{{\"exp\":1900000000,{claims}}}");
            assert_eq!(checked(&claims, &chat), found, "{claims}");
        }
        let somebody = r#"{"exp":1900000000,"aud":"somebody"}"#;
        assert_eq!(within_leeway(somebody), Err(JwtError::InvalidAudience));
        let nobody = r#"{"exp":1900000000,"aud":[]}"#;
        assert_eq!(within_leeway(nobody), Err(JwtError::InvalidAudience));
        assert_eq!(within_leeway(r#"{"exp":1900000000,"iss":"anybody"}"#), Ok(()));
    }
}
