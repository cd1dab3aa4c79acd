use super::*;

fn allows(pattern: &str, origin: &str) -> bool {
    pattern.parse::<OriginPattern>().unwrap().matches(Origin::parse(origin).as_ref())
}

#[test]
fn hosts_are_compared_without_case() {
    let pattern: HostPattern = "Example.com".parse().unwrap();
    assert!(pattern.matches("EXAMPLE.com"));
    assert!(!pattern.matches("www.example.com"));
    assert!(!pattern.matches("badexample.com"));
}

#[test]
fn a_leading_dot_matches_the_domain_and_its_subdomains() {
    let pattern: HostPattern = ".example.com".parse().unwrap();
    for host in ["example.com", "www.example.com", "a.b.Example.com"] {
        assert!(pattern.matches(host), "{host}");
    }
    assert!(!pattern.matches("badexample.com"));
    assert!(!pattern.matches("example.com.evil.org"));
}

#[test]
fn a_pattern_without_a_scheme_matches_any_scheme_and_port() {
    for origin in ["http://example.com", "https://example.com:8443", "app://example.com"] {
        assert!(allows("example.com", origin), "{origin}");
    }
    assert!(!allows("example.com", "http://evil.org"));
}

#[test]
fn scheme_and_port_are_compared_if_they_are_set() {
    assert!(allows("https://example.com", "https://example.com"));
    assert!(allows("https://example.com", "https://example.com:443"));
    assert!(allows("https://example.com:443", "https://example.com"));
    assert!(allows("https://.example.com:8443", "https://a.example.com:8443"));
    assert!(allows("example.com:8443", "https://example.com:8443"));
    assert!(!allows("https://example.com", "http://example.com"));
    assert!(!allows("https://example.com", "https://example.com:8443"));
    assert!(!allows("http://example.com:80", "http://example.com:8080"));
    assert!(!allows("example.com:8443", "https://example.com"));
}

#[test]
fn only_a_star_matches_a_missing_or_invalid_origin() {
    for origin in ["null", "", "file://", "https://", "://x", "example.com", "https://a b"] {
        assert_eq!(Origin::parse(origin), None, "{origin}");
        assert!(allows("*", origin));
        assert!(!allows("example.com", origin));
    }
    assert!(allows("*", "https://anything.org"));
}

#[test]
fn ipv6_addresses_keep_their_brackets() {
    assert!(allows("http://[::1]:8000", "http://[::1]:8000"));
    assert!(!allows("http://[::1]:8000", "http://[::1]"));
    assert_eq!(host_from_authority("[::1]:8000"), Some("[::1]"));
    assert_eq!(host_from_authority("example.com:8000"), Some("example.com"));
}

#[test]
fn invalid_patterns_are_refused() {
    for text in [
        "",
        ".",
        "..example.com",
        "https://",
        "https://example.com/path",
        "a:b:c",
        "exa mple.com",
        "://x",
    ] {
        assert!(text.parse::<OriginPattern>().is_err(), "{text}");
    }
    for text in ["", ".", "example.com:80", "https://example.com", "a/b"] {
        assert!(text.parse::<HostPattern>().is_err(), "{text}");
    }
}

#[test]
fn an_authority_without_a_valid_host_has_no_host() {
    for text in ["", "a b", "example.com:x", "[::1", "a/b", "user@example.com"] {
        assert_eq!(host_from_authority(text), None, "{text}");
    }
}

#[test]
fn rfc_9112_3_2_the_authority_of_a_request_is_valid() {
    let hosts = [
        "a",
        "a:80",
        "a:",
        "a.example.",
        "A_b~c",
        "127.0.0.1:8000",
        "[::1]",
        "[::1]:80",
        "[::1]:",
        "%41",
        "a,b;c=d",
    ];
    for host in hosts {
        assert!(is_valid_authority(host.as_bytes()), "{host}");
    }
    let others = [
        "", ":", ":80", "a b", "a:b", "a:80:80", "a:-1", "[::1", "::1", "[]", "[a]", "[::1]a",
        "a@b", "a/b", "%4", "%zz", "a\tb", "é", "http://a", "a?b", "a#b",
    ];
    for host in others {
        assert!(!is_valid_authority(host.as_bytes()), "{host}");
    }
    assert!(!is_valid_authority(b"a\xff"));
}

#[test]
fn rfc_3986_3_2_3_a_port_may_be_empty() {
    assert_eq!(
        [host_from_authority("a:"), host_from_authority("[::1]:"), host_from_authority("a::")],
        [Some("a"), Some("[::1]"), None]
    );
}
