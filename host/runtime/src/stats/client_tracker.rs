//! Counts the distinct clients of a version, and the clients that saw a fault.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::address_clients::{AddressClients, ClientCount};

/// The largest number of addresses. Connections of further addresses are not counted.
const MAX_TRACKED_ADDRESSES: usize = 65_536;

/// The network part of an IPv6 address, which belongs to one client.
const IPV6_CLIENT_MASK: u128 = !0 << 64;

/// Counts the clients of a version between [`start`](Self::start) and [`stop`](Self::stop).
#[derive(Debug, Default)]
pub(crate) struct ClientTracker {
    /// Changed only while the lock of `table` is held.
    is_tracking: AtomicBool,
    table: Mutex<ClientTable>,
}

/// The clients by address, and their total.
#[derive(Debug, Default)]
struct ClientTable {
    addresses: HashMap<IpAddr, AddressClients>,
    /// The sum over all addresses, so that a fault need not add them up.
    total: ClientCount,
}

/// The slot of a connection among the clients of its version. Dropping it releases the slot.
#[derive(Debug)]
pub(crate) struct ClientSlot {
    tracker: Arc<ClientTracker>,
    address: IpAddr,
    has_failed: bool,
}

impl ClientTracker {
    /// Starts to count, from zero.
    pub(crate) fn start(&self) {
        let mut table = self.lock();
        *table = ClientTable::default();
        self.is_tracking.store(true, Ordering::Relaxed);
    }

    /// Stops counting, and forgets the counts.
    pub(crate) fn stop(&self) {
        let mut table = self.lock();
        self.is_tracking.store(false, Ordering::Relaxed);
        let old = std::mem::take(&mut *table);
        drop(table);
        drop(old);
    }

    /// Whether clients are counted.
    pub(crate) fn is_tracking(&self) -> bool {
        self.is_tracking.load(Ordering::Relaxed)
    }

    /// Adds a connection that another version has accepted, at its first event.
    pub(crate) fn add_migrated(self: &Arc<Self>, address: IpAddr) -> Option<ClientSlot> {
        self.assign_slot(address, AddressClients::take_slot)
    }

    /// Adds a connection whose handshake is accepted.
    pub(crate) fn add_accepted(self: &Arc<Self>, address: IpAddr) -> Option<ClientSlot> {
        self.assign_slot(address, |address| {
            address.accept_handshake();
            address.take_slot()
        })
    }

    /// Records a handshake that ends without a connection.
    pub(crate) fn record_rejected(&self, address: IpAddr, has_failed: bool) {
        self.update_address(client_network(address), |address| {
            address.reject_handshake(has_failed);
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

    /// The counts of all addresses.
    pub(crate) fn count(&self) -> ClientCount {
        self.lock().total
    }

    /// Changes the counts of an address, and adds the address if it is new. `None` if it is not counted.
    fn update_address<T>(
        &self,
        address: IpAddr,
        change: impl FnOnce(&mut AddressClients) -> T,
    ) -> Option<T> {
        let mut table = self.lock();
        // Counting may have stopped since the caller checked.
        if !self.is_tracking() {
            return None;
        }
        let is_known = table.addresses.contains_key(&address);
        if !is_known && table.addresses.len() >= MAX_TRACKED_ADDRESSES {
            return None;
        }
        table.addresses.entry(address).or_default();
        table.update_address(address, change)
    }

    fn lock(&self) -> MutexGuard<'_, ClientTable> {
        // Nothing panics between two writes, so a poisoned table is consistent.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientTable {
    /// Changes the counts of an address and the total. `None` if the address is not in the table.
    fn update_address<T>(
        &mut self,
        address: IpAddr,
        change: impl FnOnce(&mut AddressClients) -> T,
    ) -> Option<T> {
        let clients = self.addresses.get_mut(&address)?;
        let before = clients.count(address);
        let result = change(clients);
        let after = clients.count(address);
        self.total.clients = self.total.clients - before.clients + after.clients;
        self.total.failed = self.total.failed - before.failed + after.failed;
        Some(result)
    }
}

impl ClientSlot {
    /// Records that the client saw a fault.
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

/// The part of an address that belongs to one client.
fn client_network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & IPV6_CLIENT_MASK).into(),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests;
