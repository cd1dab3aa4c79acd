//! The clients behind one address.

use std::net::{IpAddr, Ipv4Addr};

/// Clients at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ClientCount {
    /// Different clients that had an event.
    pub clients: u64,
    /// Those of them that saw a fault.
    pub failed: u64,
}

/// The connections of one address. Each has a place; a connection that comes when another has left takes that one's place,
/// first one that failed, so that a client that comes again counts once. There are as many places as there were connections
/// at once.
#[derive(Debug, Default)]
pub(super) struct AddressClients {
    slots: u64,
    pub(super) failed_slots: u64,
    free_slots: u64,
    /// Free places of connections that failed.
    free_failed_slots: u64,
    /// Whether a handshake of this address has been accepted.
    is_accepted: bool,
    /// Handshakes that failed before one was accepted. They have no places.
    failed_handshakes: u64,
}

impl AddressClients {
    /// How many clients it is.
    pub(super) fn count(&self, address: IpAddr) -> ClientCount {
        let most = if may_be_proxy(address) { u64::MAX } else { 1 };
        let clients = most.min(self.slots + self.failed_handshakes);
        let failed = most.min(self.failed_slots + self.failed_handshakes);
        ClientCount { clients, failed }
    }

    /// Takes a place; whether that counts as failed already.
    pub(super) fn take_slot(&mut self) -> bool {
        if self.free_failed_slots > 0 {
            self.free_failed_slots -= 1;
            return true;
        }
        match self.free_slots.checked_sub(1) {
            Some(free) => self.free_slots = free,
            None => self.slots += 1,
        }
        false
    }

    /// Gives a place back.
    pub(super) fn release_slot(&mut self, has_failed: bool) {
        match has_failed {
            true => self.free_failed_slots += 1,
            false => self.free_slots += 1,
        }
    }

    /// A handshake is accepted: those that failed before may all have been of one client, which comes again.
    pub(super) fn accept_handshake(&mut self) {
        self.is_accepted = true;
        if std::mem::take(&mut self.failed_handshakes) > 0 {
            self.slots += 1;
            self.failed_slots += 1;
            self.free_failed_slots += 1;
        }
    }

    /// A handshake ends without a connection. If no other has been accepted, nothing says that a failure is the doing of
    /// one client, so each counts.
    pub(super) fn reject_handshake(&mut self, fails: bool) {
        if fails && !self.is_accepted {
            self.failed_handshakes += 1;
            return;
        }
        let has_failed = self.take_slot();
        self.failed_slots += u64::from(fails && !has_failed);
        self.release_slot(fails || has_failed);
    }
}

/// Whether an address is none of the internet's. That of a network keeps the bits that say so.
fn may_be_proxy(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let is_shared = address.octets()[0] == 100 && address.octets()[1] & 0xc0 == 64;
            address.is_loopback()
                || address.is_private()
                || address.is_link_local()
                || address == Ipv4Addr::UNSPECIFIED
                || is_shared
        }
        IpAddr::V6(address) => {
            // The network of `::1`.
            address.is_unspecified() || address.is_unique_local() || address.is_unicast_link_local()
        }
    }
}
