//! Offers of extensions (RFC 6455, section 9.1).

use narrowboat_core::http_fields::{parse_quoted_string, parse_token, split_unquoted, trim_ows};

/// One offer of an extension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extension {
    /// The name of the extension.
    pub name: String,
    /// The parameters in their order, each with its optional value. Names and values are tokens.
    pub parameters: Vec<(String, Option<String>)>,
}

impl Extension {
    /// Parses all lines of `Sec-WebSocket-Extensions`, in their order. `None` means that a line does not match the
    /// grammar of RFC 6455, section 9.1; the handshake must fail then.
    pub fn parse_all<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> Option<Vec<Self>> {
        let offers = lines.into_iter().flat_map(|line| split_unquoted(line, b','));
        offers.filter(|offer| !offer.is_empty()).map(Self::parse_offer).collect()
    }

    fn parse_offer(offer: &[u8]) -> Option<Self> {
        let mut parts = split_unquoted(offer, b';');
        let name = parse_token(parts.next()?)?.to_owned();
        let parameters = parts.map(parse_parameter).collect::<Option<_>>()?;
        Some(Self { name, parameters })
    }
}

/// Parses a name with an optional value. The value may be quoted, and is a token in either case.
fn parse_parameter(part: &[u8]) -> Option<(String, Option<String>)> {
    let Some(at) = part.iter().position(|byte| *byte == b'=') else {
        return Some((parse_token(part)?.to_owned(), None));
    };
    let name = parse_token(trim_ows(&part[..at]))?.to_owned();
    let value = trim_ows(&part[at + 1..]);
    let value = match parse_quoted_string(value) {
        Some(inner) => parse_token(&inner)?.to_owned(),
        None => parse_token(value)?.to_owned(),
    };
    Some((name, Some(value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_offers(lines: &[&str]) -> Option<Vec<String>> {
        let list = Extension::parse_all(lines.iter().map(|line| line.as_bytes()))?;
        let describe = |offer: Extension| format!("{} {:?}", offer.name, offer.parameters);
        Some(list.into_iter().map(describe).collect())
    }

    #[test]
    fn rfc_6455_9_1_offers_may_be_spread_over_lines_and_white_space() {
        let one = parse_offers(&["a; x=1; y, b"]).unwrap();
        assert_eq!(one, ["a [(\"x\", Some(\"1\")), (\"y\", None)]", "b []"]);
        assert_eq!(parse_offers(&["a\t;\tx =\t1;y", "", " ,\tb ,"]).unwrap(), one);
    }

    #[test]
    fn rfc_6455_9_1_a_quoted_value_equals_the_same_token() {
        let plain = parse_offers(&["a; x=10, b"]).unwrap();
        assert_eq!(parse_offers(&[r#"a; x="10", b"#]).unwrap(), plain);
        assert_eq!(parse_offers(&[r#"a; x="1\0", b"#]).unwrap(), plain);
    }

    #[test]
    fn rfc_6455_9_1_malformed_offers_fail_the_handshake() {
        for malformed in [
            "a b",
            "a;",
            "a; ;x",
            "a; =1",
            "a; x=",
            "a; x=\"\"",
            "a; x=\"1",
            "a; x=\"b,c\"",
            "a; x=1 2",
            "é",
            "a/b",
            ";x",
            "a; x=\"1\"2",
        ] {
            assert_eq!(parse_offers(&["permessage-deflate", malformed]), None, "{malformed}");
        }
        assert_eq!(parse_offers(&["", ","]).unwrap(), Vec::<String>::new());
    }
}
