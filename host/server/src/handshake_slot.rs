//! The bound on unfinished handshakes of one address.

use std::net::IpAddr;
use std::sync::Arc;

use crate::server::Server;

/// One of the unfinished handshakes that an address may have. Released when dropped.
pub(crate) struct HandshakeSlot {
    server: Arc<Server>,
    /// The client's address; `None` for a proxy, whose handshakes are not bounded.
    address: Option<IpAddr>,
}

impl HandshakeSlot {
    /// Takes a slot of an address; `None` if the address has no slot left.
    pub(crate) fn try_acquire(server: &Arc<Server>, address: IpAddr) -> Option<Self> {
        // Behind a proxy the client's address is known only after the handshake has been read.
        if server.host.proxy().is_some_and(|proxy| proxy.is_trusted(address)) {
            return Some(Self { server: Arc::clone(server), address: None });
        }
        server
            .handshakes_per_address
            .try_acquire(address)
            .then(|| Self { server: Arc::clone(server), address: Some(address) })
    }
}

impl Drop for HandshakeSlot {
    fn drop(&mut self) {
        if let Some(address) = self.address {
            self.server.handshakes_per_address.release(address);
        }
    }
}
