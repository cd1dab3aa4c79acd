//! The PROXY protocol: the header in front of a connection that names the client behind a proxy. Versions 1 (text) and
//! 2 (binary) are those of HAProxy's `proxy-protocol.txt`.

use std::io;
use std::net::SocketAddr;

use ppp::{HeaderResult, v1, v2};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

/// The first bytes of a header of version 2.
const V2_SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// The length of the fixed part of a version 2 header, in bytes. Its last two bytes are the length of the rest.
const V2_HEADER_BYTES: usize = 16;

/// The longest header of version 1, in bytes, with its line end.
const V1_MAX_BYTES: usize = 107;

/// The largest accepted rest of a version 2 header, in bytes: addresses and additional fields.
const V2_MAX_ADDRESS_BYTES: usize = 4 * 1024;

/// Reads the header that a connection starts with, and no byte after it. Returns the addresses of the client and of the
/// server. `None` means that the header has no addresses, as in a health check of the proxy.
///
/// # Errors
/// The connection does not start with a valid header, or it failed.
pub async fn read_proxy_header(
    stream: &mut TcpStream,
) -> io::Result<Option<(SocketAddr, SocketAddr)>> {
    let mut header = Vec::new();
    loop {
        let mut peeked = [0; V1_MAX_BYTES];
        let count = stream.peek(&mut peeked).await?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let HeaderProgress { take_bytes, is_complete } = scan_header(&header, &peeked[..count])?;
        let start = header.len();
        header.resize(start + take_bytes, 0);
        stream.read_exact(&mut header[start..]).await?;
        if is_complete {
            return parse_header(&header);
        }
    }
}

/// The part of the peeked bytes that belongs to the header.
#[derive(Debug, PartialEq, Eq)]
struct HeaderProgress {
    take_bytes: usize,
    /// Whether the header is complete with these bytes.
    is_complete: bool,
}

/// Returns how many bytes of `peeked` belong to the header, of which `header` has been read.
fn scan_header(header: &[u8], peeked: &[u8]) -> io::Result<HeaderProgress> {
    let known = [header, peeked].concat();
    if V2_SIGNATURE.starts_with(&known[..known.len().min(V2_SIGNATURE.len())]) {
        return scan_v2_header(header.len(), peeked.len(), &known);
    }
    if !b"PROXY".starts_with(&known[..known.len().min(5)]) {
        return Err(invalid_data("missing PROXY protocol signature"));
    }
    match known.iter().position(|byte| *byte == b'\n') {
        Some(end) => Ok(HeaderProgress { take_bytes: end + 1 - header.len(), is_complete: true }),
        None if known.len() >= V1_MAX_BYTES => Err(invalid_data("header too long")),
        None => Ok(HeaderProgress { take_bytes: peeked.len(), is_complete: false }),
    }
}

/// [`scan_header`] for version 2. `known` is the `read_bytes` of the header and the `peeked_bytes` after them.
fn scan_v2_header(
    read_bytes: usize,
    peeked_bytes: usize,
    known: &[u8],
) -> io::Result<HeaderProgress> {
    let Some(fixed_part) = known.get(..V2_HEADER_BYTES) else {
        return Ok(HeaderProgress { take_bytes: peeked_bytes, is_complete: false });
    };
    let address_bytes = usize::from(u16::from_be_bytes([fixed_part[14], fixed_part[15]]));
    if address_bytes > V2_MAX_ADDRESS_BYTES {
        return Err(invalid_data("header too long"));
    }
    let missing_bytes = V2_HEADER_BYTES + address_bytes - read_bytes;
    Ok(HeaderProgress {
        take_bytes: peeked_bytes.min(missing_bytes),
        is_complete: peeked_bytes >= missing_bytes,
    })
}

/// Parses a complete header.
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Scans `bytes`, of which `chunk_len` arrive at a time. Returns the length of the header, and whether it is
    /// complete.
    fn scan(bytes: &[u8], chunk_len: usize) -> io::Result<(usize, bool)> {
        let mut header = Vec::new();
        let mut rest = bytes;
        while !rest.is_empty() {
            let HeaderProgress { take_bytes, is_complete } =
                scan_header(&header, &rest[..rest.len().min(chunk_len)])?;
            header.extend_from_slice(&rest[..take_bytes]);
            rest = &rest[take_bytes..];
            if is_complete {
                return Ok((header.len(), true));
            }
        }
        Ok((header.len(), false))
    }

    fn v2_header(command: u8, family: u8, addresses: &[u8]) -> Vec<u8> {
        let len = u16::try_from(addresses.len()).unwrap().to_be_bytes();
        [V2_SIGNATURE, &[command, family], &len, addresses].concat()
    }

    #[test]
    fn a_header_in_chunks_of_any_size_ends_before_the_next_byte() {
        let text = b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 443\r\n".to_vec();
        let addresses = [192, 0, 2, 7, 192, 0, 2, 1, 0x12, 0x67, 1, 0xBB];
        for header in [text, v2_header(0x21, 0x11, &addresses), v2_header(0x20, 0, &[])] {
            for chunk_len in [1, 2, 5, 11, 15, 16, 17, 107] {
                let bytes = [&*header, b"GET / HTTP/1.1\r\n\r\n"].concat();
                assert_eq!(scan(&bytes, chunk_len).unwrap(), (header.len(), true), "{chunk_len}");
            }
        }
    }

    #[test]
    fn both_versions_carry_the_addresses() {
        let expected = ("192.0.2.7:4711".parse().unwrap(), "192.0.2.1:443".parse().unwrap());
        let text = parse_header(b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 443\r\n").unwrap();
        let addresses = [192, 0, 2, 7, 192, 0, 2, 1, 0x12, 0x67, 1, 0xBB];
        let bytes = parse_header(&v2_header(0x21, 0x11, &addresses)).unwrap();
        assert_eq!([text, bytes], [Some(expected), Some(expected)]);
    }

    #[test]
    fn a_header_may_have_no_addresses() {
        assert_eq!(parse_header(b"PROXY UNKNOWN\r\n").unwrap(), None);
        assert_eq!(parse_header(&v2_header(0x20, 0, &[])).unwrap(), None);
    }

    #[test]
    fn an_invalid_header_is_an_error() {
        let long = [b"PROXY ".to_vec(), vec![b'x'; 200]].concat();
        let large = v2_header(0x21, 0x11, &[0; 5_000]);
        for bytes in [&b"GET / HTTP/1.1\r\n"[..], b"PROXX", &long, &large] {
            assert!(scan(bytes, 50).is_err());
        }
        for header in
            [&b"PROXY TCP4 x y 1 2\r\n"[..], b"PROXY\r\n", &v2_header(0x51, 0x11, &[0; 12])]
        {
            assert!(parse_header(header).is_err());
        }
    }
}
