//! The connections of a test.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::reply::{HandshakeReply, Reply, ReplyData};
use crate::request::ConnectRequest;
use crate::test_client::{ClientEvent, HandshakeResult, TestClient};
use narrowboat_core::close_frame::CloseFrame;
use narrowboat_server::InMemoryServer;
use narrowboat_websocket::handshake::ScopeOverrides;

/// The port of the first client. Each further client has the next one.
const FIRST_PORT: u16 = 50_000;

/// The connections of a test, by their numbers.
#[derive(Default)]
pub(super) struct Connections {
    clients: BTreeMap<u32, TestClient>,
    last: u32,
}

impl Connections {
    /// Opens a connection, and returns its number.
    ///
    /// # Errors
    /// If the request is not valid, or the host has no connection left.
    pub(super) fn open(
        &mut self,
        server: &InMemoryServer,
        mut connect: ConnectRequest,
    ) -> Result<u32, String> {
        self.last += 1;
        let address = match connect.client.take() {
            Some((host, port)) => {
                let host: IpAddr =
                    host.parse().map_err(|_| format!("{host:?} is not an IP address"))?;
                SocketAddr::new(host, port)
            }
            None => self.next_address(),
        };
        let scope = ScopeOverrides {
            url_route: connect.url_route.take().map(|captures| captures.into_iter().collect()),
            user: connect.user.take(),
        };
        let stream = server.accept(address, scope);
        let stream = stream.ok_or("the host has no connection left")?;
        self.clients.insert(self.last, TestClient::open(address, stream, connect)?);
        Ok(self.last)
    }

    fn next_address(&self) -> SocketAddr {
        let number =
            u16::try_from(self.last % u32::from(u16::MAX - FIRST_PORT)).unwrap_or_default();
        SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), FIRST_PORT + number)
    }

    /// Returns a client.
    ///
    /// # Errors
    /// If the test has not opened the connection.
    pub(super) fn get(&self, connection: u32) -> Result<&TestClient, String> {
        self.clients.get(&connection).ok_or_else(|| format!("there is no connection {connection}"))
    }

    /// The state of a handshake.
    ///
    /// # Errors
    /// If the connection failed.
    pub(super) fn handshake(
        &self,
        server: &InMemoryServer,
        connection: u32,
    ) -> Result<Reply, String> {
        let client = self.get(connection)?;
        let channel = || server.channel_of(client.address).map(|name| name.as_str().to_owned());
        Ok(Reply::Handshake(match client.handshake()? {
            None => HandshakeReply::Undecided { connection, channel: channel() },
            Some(HandshakeResult::Accepted { subprotocol, headers }) => {
                HandshakeReply::Accepted { connection, subprotocol, headers, channel: channel() }
            }
            Some(HandshakeResult::Rejected { status, headers, body }) => {
                HandshakeReply::Rejected { connection, status, headers, body }
            }
        }))
    }

    /// Takes the next event of a client.
    ///
    /// # Errors
    /// If the connection was not accepted, or failed.
    pub(super) fn receive(&self, connection: u32) -> Result<Reply, String> {
        Ok(match self.get(connection)?.receive()? {
            None => Reply::Nothing,
            Some(ClientEvent::Message(frame)) => Reply::Data { data: ReplyData::from(frame) },
            Some(ClientEvent::Closed(close)) => close.into(),
        })
    }

    /// Starts the closing handshake of a client.
    ///
    /// # Errors
    /// If the code is not one that a client may send, or the connection was not accepted.
    pub(super) fn close(&self, connection: u32, code: u16, reason: &str) -> Result<(), String> {
        if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
            return Err(format!("a client cannot close with the code {code}"));
        }
        self.get(connection)?.close(CloseFrame::new(code, reason))
    }

    /// Ends a connection without a Close frame.
    ///
    /// # Errors
    /// If the test has not opened the connection.
    pub(super) fn abort(&mut self, connection: u32) -> Result<(), String> {
        let client = self.clients.remove(&connection);
        client.map(drop).ok_or_else(|| format!("there is no connection {connection}"))
    }
}
