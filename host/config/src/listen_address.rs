//! Where a host listens.

use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs};
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error};

/// What a host listens on is told as.
const EXPECTED_FORM: &str =
    "an address or a name, and a port, such as \"127.0.0.1:8000\" or \"localhost:8000\"";

/// An address or a name, and a port. A name is looked up where it is listened on, so that a configuration can be read
/// while no name is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenAddress {
    /// An address.
    Address(SocketAddr),
    /// A name and its port, as they are written.
    Name(String, u16),
}

impl ListenAddress {
    /// The port; 0 takes a free one.
    pub fn port(&self) -> u16 {
        match self {
            Self::Address(address) => address.port(),
            Self::Name(_, port) => *port,
        }
    }

    /// The address that is listened on. Of the addresses of a name it is the first of IPv4, or the first if there is
    /// none.
    ///
    /// # Errors
    /// When a name is looked up in vain.
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
            .ok_or_else(|| format!("{text:?} is not what it should be: {EXPECTED_FORM}"))
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
