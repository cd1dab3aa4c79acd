//! The extensions that a client offers (RFC 6455, section 9.1).

use narrowboat_core::http_fields::{parse_quoted_string, parse_token, split_unquoted};

/// One offer of an extension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extension {
    /// What the extension is called.
    pub name: String,
    /// Its parameters in their order, each with its value if it has one, which is a token, too.
    pub parameters: Vec<(String, Option<String>)>,
}

impl Extension {
    /// The offers on the lines of `Sec-WebSocket-Extensions`, in the client's order. `None` where a line is not as the
    /// grammar of RFC 6455, section 9.1, has it, whereupon the handshake fails.
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

/// A name, or a name and a value; the value stands in quotes or not, and is a token in either case.
fn parse_parameter(part: &[u8]) -> Option<(String, Option<String>)> {
    let Some(at) = part.iter().position(|byte| *byte == b'=') else {
        return Some((parse_token(part)?.to_owned(), None));
    };
    let name = parse_token(narrowboat_core::http_fields::trim_ows(&part[..at]))?.to_owned();
    let value = narrowboat_core::http_fields::trim_ows(&part[at + 1..]);
    let value = match parse_quoted_string(value) {
        Some(inner) => parse_token(&inner)?.to_owned(),
        None => parse_token(value)?.to_owned(),
    };
    Some((name, Some(value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offered(lines: &[&str]) -> Option<Vec<String>> {
        let list = Extension::parse_all(lines.iter().map(|line| line.as_bytes()))?;
        let text = |it: Extension| format!("{} {:?}", it.name, it.parameters);
        Some(list.into_iter().map(text).collect())
    }

    #[test]
    fn rfc_6455_9_1_offers_may_be_spread_over_lines_and_white_space() {
        let one = offered(&["a; x=1; y, b"]).unwrap();
        assert_eq!(one, ["a [(\"x\", Some(\"1\")), (\"y\", None)]", "b []"]);
        assert_eq!(offered(&["a\t;\tx =\t1;y", "", " ,\tb ,"]).unwrap(), one);
    }

    #[test]
    fn rfc_6455_9_1_a_quoted_value_is_what_it_says_without_quotes() {
        let plain = offered(&["a; x=10, b"]).unwrap();
        assert_eq!(offered(&[r#"a; x="10", b"#]).unwrap(), plain);
        assert_eq!(offered(&[r#"a; x="1\0", b"#]).unwrap(), plain);
    }

    #[test]
    fn rfc_6455_9_1_what_the_grammar_does_not_know_fails_the_handshake() {
        for wrong in [
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
            assert_eq!(offered(&["permessage-deflate", wrong]), None, "{wrong}");
        }
        assert_eq!(offered(&["", ","]).unwrap(), Vec::<String>::new());
    }
}
