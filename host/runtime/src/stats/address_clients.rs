//! The clients behind one address.

use std::net::{IpAddr, Ipv4Addr};

/// Clients at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ClientCount {
    /// Distinct clients that had an event.
    pub clients: u64,
    /// The clients that saw a fault.
    pub failed: u64,
}

/// The connections of one address. Each connection has a slot. A new connection takes a free slot, first one whose
/// connection failed, so that a client that reconnects counts once. The number of slots is the largest number of
/// connections at once.
#[derive(Debug, Default)]
pub(super) struct AddressClients {
    slots: u64,
    pub(super) failed_slots: u64,
    free_slots: u64,
    /// Free slots whose connections failed.
    free_failed_slots: u64,
    /// Whether a handshake from the address has been accepted.
    is_accepted: bool,
    /// Handshakes that failed before one was accepted. They have no slots.
    failed_handshakes: u64,
}

impl AddressClients {
    /// The number of clients behind the address. An address of the internet is one client. An address that may be a
    /// proxy is as many clients as it had connections at once, plus the handshakes that failed before one was accepted.
    pub(super) fn count(&self, address: IpAddr) -> ClientCount {
        let limit = if may_be_proxy(address) { u64::MAX } else { 1 };
        let clients = limit.min(self.slots + self.failed_handshakes);
        let failed = limit.min(self.failed_slots + self.failed_handshakes);
        ClientCount { clients, failed }
    }

    /// Takes a slot. Returns whether it counts as failed already.
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

    /// Releases a slot.
    pub(super) fn release_slot(&mut self, has_failed: bool) {
        match has_failed {
            true => self.free_failed_slots += 1,
            false => self.free_slots += 1,
        }
    }

    /// Records an accepted handshake. All handshakes that failed before may have come from one client that retries.
    pub(super) fn accept_handshake(&mut self) {
        self.is_accepted = true;
        if std::mem::take(&mut self.failed_handshakes) > 0 {
            self.slots += 1;
            self.failed_slots += 1;
            self.free_failed_slots += 1;
        }
    }

    /// Records a handshake without a connection. Until a handshake is accepted, each failure counts: it may be the
    /// fault of the plugin.
    pub(super) fn reject_handshake(&mut self, has_failed: bool) {
        if has_failed && !self.is_accepted {
            self.failed_handshakes += 1;
            return;
        }
        let had_failed = self.take_slot();
        self.failed_slots += u64::from(has_failed && !had_failed);
        self.release_slot(has_failed || had_failed);
    }
}

/// Whether an address is private or local, so that it may be a proxy. Works for the network part of an IPv6 address
/// too.
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
            // Unspecified is the network part of `::1`.
            address.is_unspecified() || address.is_unique_local() || address.is_unicast_link_local()
        }
    }
}
