//! How many different clients a version has served, and how many of them saw it fail.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::address_clients::{AddressClients, ClientCount};

/// Addresses that are told apart; connections of further ones are not counted.
const MAX_TRACKED_ADDRESSES: usize = 65_536;

/// The part of an address of IPv6 that one client has to itself.
const IPV6_CLIENT_MASK: u128 = !0 << 64;

/// The clients of a version, counted only while it is watched.
#[derive(Debug, Default)]
pub(crate) struct ClientTracker {
    /// Changes only under the lock.
    is_tracking: AtomicBool,
    table: Mutex<ClientTable>,
}

/// The clients so far, by address and in sum.
#[derive(Debug, Default)]
struct ClientTable {
    addresses: HashMap<IpAddr, AddressClients>,
    /// The sum over the addresses, so that a fault does not have to add them up.
    total: ClientCount,
}

/// The place of a connection among the clients of its version, until it is dropped.
#[derive(Debug)]
pub(crate) struct ClientSlot {
    tracker: Arc<ClientTracker>,
    address: IpAddr,
    has_failed: bool,
}

impl ClientTracker {
    /// Counts from now on, beginning with nobody.
    pub(crate) fn start(&self) {
        let mut counted = self.lock();
        *counted = ClientTable::default();
        self.is_tracking.store(true, Ordering::Relaxed);
    }

    /// Counts no more.
    pub(crate) fn stop(&self) {
        let mut counted = self.lock();
        self.is_tracking.store(false, Ordering::Relaxed);
        let old = std::mem::take(&mut *counted);
        drop(counted);
        drop(old);
    }

    /// Whether anybody is counted.
    pub(crate) fn is_tracking(&self) -> bool {
        self.is_tracking.load(Ordering::Relaxed)
    }

    /// A connection of this address has its first event, after another version accepted it.
    pub(crate) fn add_migrated(self: &Arc<Self>, address: IpAddr) -> Option<ClientSlot> {
        self.assign_slot(address, AddressClients::take_slot)
    }

    /// A handshake of this address is accepted.
    pub(crate) fn add_accepted(self: &Arc<Self>, address: IpAddr) -> Option<ClientSlot> {
        self.assign_slot(address, |address| {
            address.accept_handshake();
            address.take_slot()
        })
    }

    /// A handshake of this address ends without a connection.
    pub(crate) fn record_rejected(&self, address: IpAddr, has_failed: bool) {
        self.update_address(client_network(address), |address| {
            address.reject_handshake(has_failed)
        });
    }

    fn assign_slot(
        self: &Arc<Self>,
        address: IpAddr,
        take: impl FnOnce(&mut AddressClients) -> bool,
    ) -> Option<ClientSlot> {
        let address = client_network(address);
        let has_failed = self.update_address(address, take)?;
        Some(ClientSlot { tracker: Arc::clone(self), address, has_failed })
    }

    /// The counts now. An address of the internet is one client, however many connections it opens. One of this machine or
    /// of a private network may be a proxy, and is as many clients as it had connections at once, and as many more as
    /// handshakes failed before one was accepted.
    pub(crate) fn count(&self) -> ClientCount {
        self.lock().total
    }

    /// Changes what is known of an address, which is known from now on. `None` if it is not counted.
    fn update_address<T>(
        &self,
        address: IpAddr,
        change: impl FnOnce(&mut AddressClients) -> T,
    ) -> Option<T> {
        let mut counted = self.lock();
        // The watch may have ended since the caller asked.
        if !self.is_tracking() {
            return None;
        }
        let is_known = counted.addresses.contains_key(&address);
        if !is_known && counted.addresses.len() >= MAX_TRACKED_ADDRESSES {
            return None;
        }
        counted.addresses.entry(address).or_default();
        counted.update_address(address, change)
    }

    fn lock(&self) -> MutexGuard<'_, ClientTable> {
        // Nothing in here panics between two writes, so a poisoned state is still whole.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientTable {
    /// Changes an address and the sum. `None` if the address is not counted.
    fn update_address<T>(
        &mut self,
        address: IpAddr,
        change: impl FnOnce(&mut AddressClients) -> T,
    ) -> Option<T> {
        let known = self.addresses.get_mut(&address)?;
        let before = known.count(address);
        let answer = change(known);
        let after = known.count(address);
        self.total.clients = self.total.clients - before.clients + after.clients;
        self.total.failed = self.total.failed - before.failed + after.failed;
        Some(answer)
    }
}

impl ClientSlot {
    /// It saw a fault.
    pub(crate) fn record_fault(&mut self) {
        if !self.has_failed {
            let failed = self
                .tracker
                .lock()
                .update_address(self.address, |address| address.failed_slots += 1);
            self.has_failed = failed.is_some();
        }
    }
}

impl Drop for ClientSlot {
    fn drop(&mut self) {
        let has_failed = self.has_failed;
        self.tracker
            .lock()
            .update_address(self.address, |address| address.release_slot(has_failed));
    }
}

/// What tells one client's addresses from another's.
fn client_network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & IPV6_CLIENT_MASK).into(),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests;
