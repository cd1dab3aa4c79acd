//! The claims of a token (RFC 7519, section 4).

use std::time::{Duration, SystemTime};

use serde_json::{Map, Value};

use super::object::Object;
use super::tokens::Disbelief;

/// What a token has to say to be believed.
pub(super) struct Expected<'a> {
    /// Whom it has to be for; with `None` a token that is for somebody is refused.
    pub(super) audience: Option<&'a str>,
    /// Who has to have made it.
    pub(super) issuer: Option<&'a str>,
    /// What clocks may differ by.
    pub(super) leeway: Duration,
}

impl Expected<'_> {
    /// Checks the claims of a token whose signature is right, at a time. What is not named here the consumer judges.
    pub(super) fn check(&self, json: &[u8], now: SystemTime) -> Result<(), Disbelief> {
        let claims = Object::parse(json).map_err(|_| Disbelief::Unreadable)?;
        self.check_time(&claims, now)?;
        self.check_issuer(claims.get("iss"))?;
        self.check_audience(claims.get("aud"))
    }

    fn check_time(&self, claims: &Map<String, Value>, now: SystemTime) -> Result<(), Disbelief> {
        let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let leeway = self.leeway.as_secs_f64();
        let end = date(claims, "exp")?.ok_or(Disbelief::Missing("exp"))?;
        // Section 4.1.4: "on or after which" it is not accepted.
        if now >= end + leeway {
            return Err(Disbelief::Expired);
        }
        if date(claims, "nbf")?.is_some_and(|beginning| now < beginning - leeway) {
            return Err(Disbelief::TooEarly);
        }
        // Section 4.1.6: it tells the token's age, for which there is no rule here.
        date(claims, "iat").map(|_| ())
    }

    fn check_issuer(&self, issuer: Option<&Value>) -> Result<(), Disbelief> {
        match (issuer, self.issuer) {
            (None, None) => Ok(()),
            (None, Some(_)) => Err(Disbelief::Missing("iss")),
            (Some(Value::String(issuer)), wanted) => {
                let fits = wanted.is_none_or(|wanted| wanted == issuer);
                if fits { Ok(()) } else { Err(Disbelief::Issuer) }
            }
            (Some(_), _) => Err(Disbelief::Malformed("iss")),
        }
    }

    /// Section 4.1.3: whoever does not find itself in the list refuses the token.
    fn check_audience(&self, audience: Option<&Value>) -> Result<(), Disbelief> {
        let names = match audience {
            None if self.audience.is_none() => return Ok(()),
            None => return Err(Disbelief::Missing("aud")),
            Some(Value::Array(names)) => names.as_slice(),
            Some(name) => std::slice::from_ref(name),
        };
        if !names.iter().all(Value::is_string) {
            return Err(Disbelief::Malformed("aud"));
        }
        let fits = |wanted| names.iter().any(|name| name.as_str() == Some(wanted));
        if self.audience.is_some_and(fits) { Ok(()) } else { Err(Disbelief::Audience) }
    }
}

/// A NumericDate (section 2): seconds since 1970, with a fraction or without, before 1970 too.
fn date(claims: &Map<String, Value>, name: &'static str) -> Result<Option<f64>, Disbelief> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    let seconds = value.as_f64().filter(|seconds| seconds.is_finite());
    seconds.map(Some).ok_or(Disbelief::Malformed(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn checked(claims: &str, expected: &Expected<'_>) -> Result<(), Disbelief> {
        expected.check(claims.as_bytes(), SystemTime::UNIX_EPOCH + Duration::from_secs(NOW))
    }

    fn within_leeway(claims: &str) -> Result<(), Disbelief> {
        checked(claims, &Expected { audience: None, issuer: None, leeway: Duration::from_secs(30) })
    }

    #[test]
    fn rfc_7519_2_a_date_is_a_number_of_seconds_with_a_fraction_or_without() {
        for end in ["1800000000.5", "1.9e9", "1900000000", "1e300", "18446744073709551616"] {
            assert_eq!(within_leeway(&format!("{{\"exp\":{end}}}")), Ok(()), "{end}");
        }
        for end in ["-5", "-1e300", "0", "1", "1e-300"] {
            let found = within_leeway(&format!("{{\"exp\":{end}}}"));
            assert_eq!(found, Err(Disbelief::Expired), "{end}");
        }
        for end in ["null", "\"1900000000\"", "true", "[1900000000]", "{}"] {
            let found = within_leeway(&format!("{{\"exp\":{end}}}"));
            assert_eq!(found, Err(Disbelief::Malformed("exp")), "{end}");
        }
        for end in ["1e400", "-1e400", "NaN", "Infinity", "0x7fffffff", "1900000000."] {
            let found = within_leeway(&format!("{{\"exp\":{end}}}"));
            assert_eq!(found, Err(Disbelief::Unreadable), "{end}");
        }
        for claim in ["nbf", "iat"] {
            let found = within_leeway(&format!("{{\"exp\":1900000000,\"{claim}\":\"1\"}}"));
            assert_eq!(found, Err(Disbelief::Malformed(claim)));
        }
    }

    #[test]
    fn rfc_7519_4_1_4_a_token_ends_at_its_exp_and_the_leeway_exactly() {
        assert_eq!(within_leeway("{}"), Err(Disbelief::Missing("exp")));
        let ends = [("1799999970.001", Ok(())), ("1799999970", Err(Disbelief::Expired))];
        for (end, found) in ends {
            assert_eq!(within_leeway(&format!("{{\"exp\":{end}}}")), found, "{end}");
        }
    }

    #[test]
    fn rfc_7519_4_1_5_a_token_begins_at_its_nbf_less_the_leeway_exactly() {
        let beginnings = [("1800000030", Ok(())), ("1800000030.001", Err(Disbelief::TooEarly))];
        for (beginning, found) in beginnings {
            let claims = format!("{{\"exp\":1900000000,\"nbf\":{beginning}}}");
            assert_eq!(within_leeway(&claims), found, "{beginning}");
        }
        assert_eq!(within_leeway(r#"{"exp":1900000000,"nbf":-1.5,"iat":1.9e9}"#), Ok(()));
    }

    #[test]
    fn rfc_7519_4_a_claim_that_comes_twice_makes_the_token_invalid() {
        for claims in [r#"{"exp":1,"exp":1900000000}"#, r#"{"exp":1900000000,"a":1,"a":1}"#] {
            assert_eq!(within_leeway(claims), Err(Disbelief::Unreadable));
        }
    }

    #[test]
    fn rfc_7519_4_1_1_and_4_1_3_issuer_and_audience_are_text() {
        let chat =
            Expected { audience: Some("chat"), issuer: Some("https://id"), leeway: Duration::ZERO };
        for (claims, found) in [
            (r#""iss":"https://id","aud":"chat""#, Ok(())),
            (r#""iss":"https://id","aud":["mail","chat"]"#, Ok(())),
            (r#""iss":"https://id","aud":["mail"]"#, Err(Disbelief::Audience)),
            (r#""iss":"https://id","aud":[]"#, Err(Disbelief::Audience)),
            (r#""iss":"https://id""#, Err(Disbelief::Missing("aud"))),
            (r#""iss":"https://id","aud":["chat",1]"#, Err(Disbelief::Malformed("aud"))),
            (r#""iss":"https://id","aud":null"#, Err(Disbelief::Malformed("aud"))),
            (r#""aud":"chat""#, Err(Disbelief::Missing("iss"))),
            (r#""iss":"https://id/","aud":"chat""#, Err(Disbelief::Issuer)),
            (r#""iss":["https://id"],"aud":"chat""#, Err(Disbelief::Malformed("iss"))),
        ] {
            let claims = format!("{{\"exp\":1900000000,{claims}}}");
            assert_eq!(checked(&claims, &chat), found, "{claims}");
        }
        let somebody = r#"{"exp":1900000000,"aud":"somebody"}"#;
        assert_eq!(within_leeway(somebody), Err(Disbelief::Audience));
        let nobody = r#"{"exp":1900000000,"aud":[]}"#;
        assert_eq!(within_leeway(nobody), Err(Disbelief::Audience));
        assert_eq!(within_leeway(r#"{"exp":1900000000,"iss":"anybody"}"#), Ok(()));
    }
}
