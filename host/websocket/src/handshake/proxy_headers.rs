//! What a proxy says of the client behind it: the header of the PROXY protocol (HAProxy's `proxy-protocol.txt`,
//! versions 1 and 2) before all else, or headers of the request.

use std::io;
use std::net::{IpAddr, SocketAddr};

use hyper::header::{HeaderMap, HeaderValue};
use ppp::{HeaderResult, v1, v2};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use super::PeerInfo;
use narrowboat_config::ProxyConfig;
use narrowboat_core::handshake_response::Rejection;
use narrowboat_core::http_fields::list_elements;
use narrowboat_core::origin::host_from_authority;

/// How the binary version begins.
const V2_SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// Bytes before those of its addresses, the length of which is in the last two.
const V2_HEADER_BYTES: usize = 16;

/// The longest line of the text version, with its end.
const V1_MAX_BYTES: usize = 107;

/// Bytes of addresses, and of what else a proxy may add, that are taken.
const V2_MAX_ADDRESS_BYTES: usize = 4 * 1024;

/// Reads the PROXY header that a connection begins with, and not a byte more. `None` if it names nobody, as of a
/// proxy that only asks whether the host is there.
///
/// # Errors
/// When there is no such header.
pub async fn read_proxy_header(
    stream: &mut TcpStream,
) -> io::Result<Option<(SocketAddr, SocketAddr)>> {
    let mut header = Vec::new();
    loop {
        let mut seen = [0; V1_MAX_BYTES];
        let count = stream.peek(&mut seen).await?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let HeaderProgress { take_bytes: take, is_complete: whole } =
            scan_header(&header, &seen[..count])?;
        let begun = header.len();
        header.resize(begun + take, 0);
        stream.read_exact(&mut header[begun..]).await?;
        if whole {
            return parse_header(&header);
        }
    }
}

/// What of the bytes at hand belongs to the header.
#[derive(Debug, PartialEq, Eq)]
struct HeaderProgress {
    take_bytes: usize,
    /// The header is whole with them.
    is_complete: bool,
}

/// What of `seen` comes next, after what has been read of the header.
fn scan_header(header: &[u8], seen: &[u8]) -> io::Result<HeaderProgress> {
    let known = [header, seen].concat();
    if V2_SIGNATURE.starts_with(&known[..known.len().min(V2_SIGNATURE.len())]) {
        let Some(head) = known.get(..V2_HEADER_BYTES) else {
            return Ok(HeaderProgress { take_bytes: seen.len(), is_complete: false });
        };
        let addresses = usize::from(u16::from_be_bytes([head[14], head[15]]));
        if addresses > V2_MAX_ADDRESS_BYTES {
            return Err(invalid_data("header too long"));
        }
        let lacks = V2_HEADER_BYTES + addresses - header.len();
        return Ok(HeaderProgress {
            take_bytes: seen.len().min(lacks),
            is_complete: seen.len() >= lacks,
        });
    }
    if !b"PROXY".starts_with(&known[..known.len().min(5)]) {
        return Err(invalid_data("missing PROXY protocol signature"));
    }
    match known.iter().position(|byte| *byte == b'\n') {
        Some(end) => Ok(HeaderProgress { take_bytes: end + 1 - header.len(), is_complete: true }),
        None if known.len() >= V1_MAX_BYTES => Err(invalid_data("header too long")),
        None => Ok(HeaderProgress { take_bytes: seen.len(), is_complete: false }),
    }
}

fn parse_header(header: &[u8]) -> io::Result<Option<(SocketAddr, SocketAddr)>> {
    use {v1::Addresses as Text, v2::Addresses as Binary};
    match HeaderResult::parse(header) {
        HeaderResult::V1(Ok(v1::Header { addresses, .. })) => Ok(match addresses {
            Text::Unknown => None,
            Text::Tcp4(ip) => Some(ipv4_addresses(&ip)),
            Text::Tcp6(ip) => Some(ipv6_addresses(&ip)),
        }),
        HeaderResult::V2(Ok(v2::Header { command: v2::Command::Local, .. })) => Ok(None),
        HeaderResult::V2(Ok(v2::Header { addresses, .. })) => Ok(match addresses {
            Binary::Unspecified | Binary::Unix(_) => None,
            Binary::IPv4(ip) => Some(ipv4_addresses(&ip)),
            Binary::IPv6(ip) => Some(ipv6_addresses(&ip)),
        }),
        HeaderResult::V1(Err(error)) => Err(invalid_data(error.to_string())),
        HeaderResult::V2(Err(error)) => Err(invalid_data(error.to_string())),
    }
}

fn ipv4_addresses(ip: &v2::IPv4) -> (SocketAddr, SocketAddr) {
    let source = (ip.source_address, ip.source_port).into();
    (source, (ip.destination_address, ip.destination_port).into())
}

fn ipv6_addresses(ip: &v2::IPv6) -> (SocketAddr, SocketAddr) {
    let source = (ip.source_address, ip.source_port).into();
    (source, (ip.destination_address, ip.destination_port).into())
}

fn invalid_data(problem: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem)
}

/// Whom a request comes from, as far as trusted proxies tell: the last of `X-Forwarded-For` that is none of them,
/// and what the last of them spoke with its own client.
///
/// # Errors
/// 400 where one of them says what cannot be read.
pub(super) fn forwarded_peer(
    headers: &HeaderMap,
    peer: PeerInfo,
    proxies: &ProxyConfig,
) -> Result<PeerInfo, Rejection> {
    if !proxies.is_trusted(peer.client_addr.ip()) {
        return Ok(peer);
    }
    let mut client = peer.client_addr;
    for word in header_elements(headers, "x-forwarded-for").iter().rev() {
        client = parse_address(word)
            .ok_or_else(|| Rejection::plain_text(400, "invalid address in X-Forwarded-For\n"))?;
        if !proxies.is_trusted(client.ip()) {
            break;
        }
    }
    let secure = match header_elements(headers, "x-forwarded-proto").last() {
        None => peer.is_secure,
        Some(scheme) => match scheme.to_ascii_lowercase().as_str() {
            "https" | "wss" => true,
            "http" | "ws" => false,
            _ => return Err(Rejection::plain_text(400, "invalid scheme in X-Forwarded-Proto\n")),
        },
    };
    Ok(PeerInfo { client_addr: client, is_secure: secure, ..peer })
}

/// The host that a client asked a trusted proxy for, where that is believed in it.
///
/// # Errors
/// 400 where it names what cannot be one.
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
        None => Err(Rejection::plain_text(400, "invalid host in X-Forwarded-Host\n")),
    }
}

/// The elements of a list; what is no text is an element that means nothing.
fn header_elements(headers: &HeaderMap, name: &str) -> Vec<String> {
    let lines = headers.get_all(name).iter().map(HeaderValue::as_bytes);
    list_elements(lines).map(|element| String::from_utf8_lossy(element).into_owned()).collect()
}

/// An address, with or without a port.
fn parse_address(word: &str) -> Option<SocketAddr> {
    let bare = word.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(word);
    match bare.parse::<IpAddr>() {
        Ok(ip) => Some(SocketAddr::new(ip, 0)),
        Err(_) => word.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds a connection's first bytes so many at a time, as they may come.
    fn read(bytes: &[u8], at_once: usize) -> io::Result<(usize, bool)> {
        let mut header = Vec::new();
        let mut rest = bytes;
        while !rest.is_empty() {
            let HeaderProgress { take_bytes: take, is_complete: whole } =
                scan_header(&header, &rest[..rest.len().min(at_once)])?;
            header.extend_from_slice(&rest[..take]);
            rest = &rest[take..];
            if whole {
                return Ok((header.len(), true));
            }
        }
        Ok((header.len(), false))
    }

    fn binary(command: u8, family: u8, addresses: &[u8]) -> Vec<u8> {
        let len = u16::try_from(addresses.len()).unwrap().to_be_bytes();
        [V2_SIGNATURE, &[command, family], &len, addresses].concat()
    }

    #[test]
    fn not_a_byte_more_than_the_header_is_taken_however_it_comes() {
        let text = b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 443\r\n".to_vec();
        let addresses = [192, 0, 2, 7, 192, 0, 2, 1, 0x12, 0x67, 1, 0xBB];
        for header in [text, binary(0x21, 0x11, &addresses), binary(0x20, 0, &[])] {
            for at_once in [1, 2, 5, 11, 15, 16, 17, 107] {
                let bytes = [&*header, b"GET / HTTP/1.1\r\n\r\n"].concat();
                assert_eq!(read(&bytes, at_once).unwrap(), (header.len(), true), "{at_once}");
            }
        }
    }

    #[test]
    fn both_versions_name_the_client() {
        let expected = ("192.0.2.7:4711".parse().unwrap(), "192.0.2.1:443".parse().unwrap());
        let text = parse_header(b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 443\r\n").unwrap();
        let addresses = [192, 0, 2, 7, 192, 0, 2, 1, 0x12, 0x67, 1, 0xBB];
        let bytes = parse_header(&binary(0x21, 0x11, &addresses)).unwrap();
        assert_eq!([text, bytes], [Some(expected), Some(expected)]);
    }

    #[test]
    fn a_header_may_name_nobody() {
        assert_eq!(parse_header(b"PROXY UNKNOWN\r\n").unwrap(), None);
        assert_eq!(parse_header(&binary(0x20, 0, &[])).unwrap(), None);
    }

    #[test]
    fn what_is_no_header_is_refused() {
        let long = [b"PROXY ".to_vec(), vec![b'x'; 200]].concat();
        let large = binary(0x21, 0x11, &[0; 5_000]);
        for bytes in [&b"GET / HTTP/1.1\r\n"[..], b"PROXX", &long, &large] {
            assert!(read(bytes, 50).is_err());
        }
        for header in [&b"PROXY TCP4 x y 1 2\r\n"[..], b"PROXY\r\n", &binary(0x51, 0x11, &[0; 12])]
        {
            assert!(parse_header(header).is_err());
        }
    }
}
