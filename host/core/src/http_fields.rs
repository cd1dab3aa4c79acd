//! Parsers of HTTP field values (RFC 9110, sections 5.3, 5.5 and 5.6): lists, tokens and quoted strings.

/// Returns the elements of a list. All lines of a field are one list. White space around elements and empty elements are
/// ignored (RFC 9110, sections 5.3 and 5.6.1).
///
/// Elements must not contain quoted strings; [`split_unquoted`] supports them.
pub fn list_elements<'a>(
    lines: impl IntoIterator<Item = &'a [u8]>,
) -> impl Iterator<Item = &'a [u8]> {
    let lines = lines.into_iter();
    lines
        .flat_map(|line| line.split(|byte| *byte == b','))
        .map(trim_ows)
        .filter(|it| !it.is_empty())
}

/// Whether a list of tokens contains a token, ignoring case.
pub fn has_token<'a>(lines: impl IntoIterator<Item = &'a [u8]>, token: &str) -> bool {
    list_elements(lines).any(|element| element.eq_ignore_ascii_case(token.as_bytes()))
}

/// Splits a value at a separator, except inside quoted strings (RFC 9110, section 5.6.4).
pub fn split_unquoted(value: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let (mut quoted, mut escaped) = (false, false);
    value
        .split(move |byte| {
            let separates = !quoted && *byte == separator;
            (quoted, escaped) = match byte {
                _ if escaped => (quoted, false),
                b'\\' if quoted => (true, true),
                b'"' => (!quoted, false),
                _ => (quoted, false),
            };
            separates
        })
        .map(trim_ows)
}

/// Removes the optional white space around a value: spaces and tabs (RFC 9110, section 5.6.3).
pub fn trim_ows(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// Returns the text of a token (RFC 9110, section 5.6.2), or `None` if the value is not a token.
pub fn parse_token(value: &[u8]) -> Option<&str> {
    let is_token = !value.is_empty() && value.iter().all(|byte| is_tchar(*byte));
    is_token.then(|| std::str::from_utf8(value).ok()).flatten()
}

/// Returns the text of a quoted string, without its quotes and the backslashes of quoted pairs (RFC 9110, section 5.6.4).
/// Returns `None` if the value is not a quoted string.
pub fn parse_quoted_string(value: &[u8]) -> Option<Vec<u8>> {
    let mut inner = value.strip_prefix(b"\"")?.strip_suffix(b"\"")?.iter();
    let mut text = Vec::new();
    while let Some(byte) = inner.next() {
        match byte {
            b'"' => return None,
            b'\\' => text.push(*inner.next()?),
            byte => text.push(*byte),
        }
    }
    Some(text)
}

/// Whether a byte may be part of a token (RFC 9110, section 5.6.2).
pub(crate) fn is_tchar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list<'a>(lines: &[&'a str]) -> Vec<&'a str> {
        let lines = lines.iter().map(|line| line.as_bytes());
        list_elements(lines).map(|element| std::str::from_utf8(element).unwrap()).collect()
    }

    #[test]
    fn rfc_9110_5_3_lines_of_one_name_are_one_list() {
        assert_eq!(list(&["a, b", "c"]), ["a", "b", "c"]);
        assert!(has_token([&b"keep-alive"[..], b"x ,\tUPGRADE"], "upgrade"));
        assert!(!has_token([&b"keep-alive, not upgrade"[..]], "upgrade"));
    }

    #[test]
    fn rfc_9110_5_6_1_empty_elements_are_ignored() {
        assert_eq!(list(&["", " , ,", ",a,,b ,", "\t"]), ["a", "b"]);
    }

    #[test]
    fn rfc_9110_5_6_3_white_space_is_spaces_and_tabs() {
        assert_eq!(list(&["\ta \t,  b\t"]), ["a", "b"]);
        // The no-break space and the vertical tab are not white space in HTTP.
        assert_eq!(list(&["\u{a0}a,\u{b}b"]), ["\u{a0}a", "\u{b}b"]);
    }

    #[test]
    fn rfc_9110_5_6_4_a_quoted_string_keeps_separators_and_quotes() {
        let parts: Vec<_> = split_unquoted(br#"a; b="x;\";y" ; c"#, b';').collect();
        assert_eq!(parts, [&b"a"[..], br#"b="x;\";y""#, b"c"]);
        assert_eq!(parse_quoted_string(br#""x;\";y""#).unwrap(), br#"x;";y"#);
        for wrong in ["", "x", "\"", "\"x", "x\"", r#""x\""#, r#""x"y""#] {
            assert_eq!(parse_quoted_string(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn rfc_9110_5_6_2_a_token_has_no_delimiters() {
        assert_eq!(parse_token(b"x-1!#$%&'*+.^_`|~"), Some("x-1!#$%&'*+.^_`|~"));
        for wrong in ["", "a b", "a\tb", "a,b", "a/b", "a=b", "\"a\"", "é", "a\u{7f}"] {
            assert_eq!(parse_token(wrong.as_bytes()), None, "{wrong}");
        }
    }
}
