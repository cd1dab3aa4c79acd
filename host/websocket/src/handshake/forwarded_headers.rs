//! The `X-Forwarded-*` headers of trusted proxies.

use std::net::{IpAddr, SocketAddr};

use hyper::header::{HeaderMap, HeaderValue};

use super::peer_info::PeerInfo;
use narrowboat_config::ProxyConfig;
use narrowboat_core::handshake_response::{HostRejection, Rejection};
use narrowboat_core::http_fields::list_elements;
use narrowboat_core::origin::host_from_authority;

/// Returns the client of a request behind trusted proxies: the last address in `X-Forwarded-For` that is not a trusted
/// proxy, and the scheme that the last element of `X-Forwarded-Proto` names.
///
/// # Errors
/// 400 if a trusted proxy sent an invalid address or scheme.
pub(super) fn forwarded_peer(
    headers: &HeaderMap,
    peer: PeerInfo,
    proxies: &ProxyConfig,
) -> Result<PeerInfo, Rejection> {
    if !proxies.is_trusted(peer.client_addr.ip()) {
        return Ok(peer);
    }
    let mut client_addr = peer.client_addr;
    for element in header_elements(headers, "x-forwarded-for").iter().rev() {
        client_addr = parse_address(element).ok_or(HostRejection::InvalidForwardedFor)?;
        if !proxies.is_trusted(client_addr.ip()) {
            break;
        }
    }
    let is_secure = match header_elements(headers, "x-forwarded-proto").last() {
        None => peer.is_secure,
        Some(scheme) => match scheme.to_ascii_lowercase().as_str() {
            "https" | "wss" => true,
            "http" | "ws" => false,
            _ => return Err(HostRejection::InvalidForwardedProto.into()),
        },
    };
    Ok(PeerInfo { client_addr, is_secure, ..peer })
}

/// Returns the host in `X-Forwarded-Host`, if the configuration uses this header and the peer is a trusted proxy.
///
/// # Errors
/// 400 if the host is invalid.
pub(super) fn forwarded_host(
    headers: &HeaderMap,
    peer: PeerInfo,
    proxies: &ProxyConfig,
) -> Result<Option<String>, Rejection> {
    if !proxies.use_forwarded_host || !proxies.is_trusted(peer.client_addr.ip()) {
        return Ok(None);
    }
    let Some(authority) = header_elements(headers, "x-forwarded-host").pop() else {
        return Ok(None);
    };
    match host_from_authority(&authority) {
        Some(host) => Ok(Some(host.to_owned())),
        None => Err(HostRejection::InvalidForwardedHost.into()),
    }
}

/// Returns the elements of a list header. Invalid UTF-8 is replaced, so that such an element fails its own check.
fn header_elements(headers: &HeaderMap, name: &str) -> Vec<String> {
    let lines = headers.get_all(name).iter().map(HeaderValue::as_bytes);
    list_elements(lines).map(|element| String::from_utf8_lossy(element).into_owned()).collect()
}

/// Parses an IP address with or without a port. The port is 0 if it is missing.
fn parse_address(text: &str) -> Option<SocketAddr> {
    let unbracketed =
        text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    match unbracketed.parse::<IpAddr>() {
        Ok(ip) => Some(SocketAddr::new(ip, 0)),
        Err(_) => text.parse().ok(),
    }
}
