//! The address that a listener of the host binds.

use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs};
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error};

/// The address that the host listens on if the configuration does not set one.
pub const DEFAULT_LISTEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8000);

/// The form of a listen address, for error messages.
const EXPECTED_FORM: &str =
    "an address or a name, and a port, such as \"127.0.0.1:8000\" or \"localhost:8000\"";

/// An address or a name, and a port. A name is looked up when the listener starts, so a configuration can be read
/// without a name server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenAddress {
    /// An IP address and a port.
    Address(SocketAddr),
    /// A host name and a port, as the file has them.
    Name(String, u16),
}

impl ListenAddress {
    /// Returns the port; 0 stands for a free port.
    pub fn port(&self) -> u16 {
        match self {
            Self::Address(address) => address.port(),
            Self::Name(_, port) => *port,
        }
    }

    /// Returns the address to listen on. For a name it is the first IPv4 address, or the first address if the name has
    /// no IPv4 address.
    ///
    /// # Errors
    /// If the lookup fails or finds no address.
    pub fn resolve(&self) -> Result<SocketAddr, String> {
        let (name, port) = match self {
            Self::Address(address) => return Ok(*address),
            Self::Name(name, port) => (name.as_str(), *port),
        };
        let addresses = (name, port).to_socket_addrs();
        let addresses: Vec<_> = addresses.map_err(|error| format!("{self}: {error}"))?.collect();
        let first = addresses.iter().find(|address| address.is_ipv4()).or(addresses.first());
        first.copied().ok_or_else(|| format!("{self}: the name has no address"))
    }
}

impl From<SocketAddr> for ListenAddress {
    fn from(address: SocketAddr) -> Self {
        Self::Address(address)
    }
}

impl FromStr for ListenAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(address) = text.parse() {
            return Ok(Self::Address(address));
        }
        text.rsplit_once(':')
            .filter(|(name, _)| !name.is_empty() && !name.contains(['/', ':', '[']))
            .and_then(|(name, port)| Some(Self::Name(name.to_owned(), port.parse().ok()?)))
            .ok_or_else(|| format!("{text:?} is not a listen address; expected {EXPECTED_FORM}"))
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Name(name, port) => write!(f, "{name}:{port}"),
        }
    }
}

impl<'de> Deserialize<'de> for ListenAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)
            .map_err(|_| D::Error::custom(format!("expected {EXPECTED_FORM}")))?;
        text.parse().map_err(D::Error::custom)
    }
}
