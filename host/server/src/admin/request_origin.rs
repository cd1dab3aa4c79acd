//! The protection against web pages of other sites: DNS rebinding and cross-origin requests.

use std::net::IpAddr;

use axum::http::header::{HOST, ORIGIN};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Uri};

use super::api_error::ApiError;

/// Rejects requests that a web page of another site may have sent: requests that name another host (DNS rebinding), or
/// that come from another origin.
pub(super) fn check_host_and_origin(
    headers: &HeaderMap,
    uri: &Uri,
    hosts: &[String],
) -> Result<(), ApiError> {
    // RFC 9112, section 3.2: the host of the target takes precedence over the field, and there is one field.
    if headers.get_all(HOST).iter().nth(1).is_some() {
        return Err(ApiError::invalid("the request has two Host headers"));
    }
    let host = uri.authority().map(Authority::as_str);
    let host = host.or_else(|| headers.get(HOST).and_then(|host| host.to_str().ok()));
    let host = host.unwrap_or_default().to_ascii_lowercase();
    if !is_own_host(&host, hosts) {
        return Err(ApiError::foreign_host(&host));
    }
    for origin in headers.get_all(ORIGIN) {
        let origin = origin.to_str().unwrap_or_default().to_ascii_lowercase();
        let own = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        if own != Some(&*host) {
            return Err(ApiError::foreign_origin(&origin));
        }
    }
    Ok(())
}

/// Whether no other site can make this name resolve to this host: it is an IP address, `localhost`, or one of the names
/// that the operator configured.
fn is_own_host(host: &str, hosts: &[String]) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name == "localhost"
        || address.parse::<IpAddr>().is_ok()
        || hosts.iter().any(|own| own == name || own == host)
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn is_accepted(target: &str, fields: &[(HeaderName, &'static str)]) -> bool {
        let fields = fields.iter().cloned();
        let fields = fields.map(|(name, value)| (name, HeaderValue::from_static(value)));
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(name, value);
        }
        check_host_and_origin(&headers, &target.parse().unwrap(), &[]).is_ok()
    }

    #[test]
    fn rfc_9112_3_2_a_request_has_one_host_header_and_an_absolute_target_takes_precedence() {
        let (own, other) = ((HOST, "localhost"), (HOST, "evil.example"));
        assert!(is_accepted("/", std::slice::from_ref(&own)));
        for fields in [&[own.clone(), own.clone()], &[own.clone(), other.clone()]] {
            assert!(!is_accepted("/", fields));
        }
        assert!(is_accepted("http://localhost/", &[other]));
        assert!(!is_accepted("http://evil.example/", &[own]));
    }

    #[test]
    fn each_origin_of_a_request_must_be_this_host() {
        let own = (ORIGIN, "http://localhost");
        let other = (ORIGIN, "http://evil.example");
        assert!(is_accepted("/", &[(HOST, "localhost"), own.clone()]));
        assert!(!is_accepted("/", &[(HOST, "localhost"), own, other]));
    }

    #[test]
    fn only_names_that_others_cannot_redirect_are_own_hosts() {
        let hosts = ["admin.example.com".to_owned()];
        for own in ["localhost", "localhost:8001", "127.0.0.1:8001", "[::1]:8001", "[::1]"] {
            assert!(is_own_host(own, &[]), "{own}");
        }
        assert!(
            is_own_host("admin.example.com", &hosts)
                && is_own_host("admin.example.com:443", &hosts)
        );
        for other in ["", "evil.example", "evil.example:8001", "localhost.evil.example", "[::1"] {
            assert!(!is_own_host(other, &hosts), "{other}");
        }
    }
}
