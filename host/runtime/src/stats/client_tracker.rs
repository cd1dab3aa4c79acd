//! How many different clients a version has served, and how many of them saw it fail.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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

/// Clients at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ClientCount {
    /// Different clients that had an event.
    pub clients: u64,
    /// Those of them that saw a fault.
    pub failed: u64,
}

/// The clients so far, by address and in sum.
#[derive(Debug, Default)]
struct ClientTable {
    addresses: HashMap<IpAddr, AddressClients>,
    /// The sum over the addresses, so that a fault does not have to add them up.
    total: ClientCount,
}

/// The connections of one address. Each has a place; a connection that comes when another has left takes that one's place,
/// first one that failed, so that a client that comes again counts once. There are as many places as there were connections
/// at once.
#[derive(Debug, Default)]
struct AddressClients {
    slots: u64,
    failed_slots: u64,
    free_slots: u64,
    /// Free places of connections that failed.
    free_failed_slots: u64,
    /// Whether a handshake of this address has been accepted.
    is_accepted: bool,
    /// Handshakes that failed before one was accepted. They have no places.
    failed_handshakes: u64,
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

impl AddressClients {
    /// How many clients it is.
    fn count(&self, address: IpAddr) -> ClientCount {
        let most = if may_be_proxy(address) { u64::MAX } else { 1 };
        let clients = most.min(self.slots + self.failed_handshakes);
        let failed = most.min(self.failed_slots + self.failed_handshakes);
        ClientCount { clients, failed }
    }

    /// Takes a place; whether that counts as failed already.
    fn take_slot(&mut self) -> bool {
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
    fn release_slot(&mut self, has_failed: bool) {
        match has_failed {
            true => self.free_failed_slots += 1,
            false => self.free_slots += 1,
        }
    }

    /// A handshake is accepted: those that failed before may all have been of one client, which comes again.
    fn accept_handshake(&mut self) {
        self.is_accepted = true;
        if std::mem::take(&mut self.failed_handshakes) > 0 {
            self.slots += 1;
            self.failed_slots += 1;
            self.free_failed_slots += 1;
        }
    }

    /// A handshake ends without a connection. If no other has been accepted, nothing says that a failure is the doing of
    /// one client, so each counts.
    fn reject_handshake(&mut self, fails: bool) {
        if fails && !self.is_accepted {
            self.failed_handshakes += 1;
            return;
        }
        let has_failed = self.take_slot();
        self.failed_slots += u64::from(fails && !has_failed);
        self.release_slot(fails || has_failed);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn watched() -> Arc<ClientTracker> {
        let clients = Arc::new(ClientTracker::default());
        clients.start();
        clients
    }

    fn enter(clients: &Arc<ClientTracker>, address: &str) -> ClientSlot {
        clients.add_migrated(address.parse().unwrap()).unwrap()
    }

    fn count(clients: u64, failed: u64) -> ClientCount {
        ClientCount { clients, failed }
    }

    #[test]
    fn an_address_of_the_internet_is_one_client() {
        let clients = watched();
        let _others = ["203.0.113.1", "203.0.113.2"].map(|other| enter(&clients, other));
        let mut attackers: Vec<_> = (0..100).map(|_| enter(&clients, "198.51.100.7")).collect();
        attackers.iter_mut().for_each(ClientSlot::record_fault);
        assert_eq!(clients.count(), count(3, 1));
    }

    #[test]
    fn a_network_of_ipv6_is_one_client() {
        let clients = watched();
        let _one = enter(&clients, "2001:db8:1:2::1");
        let _same = enter(&clients, "2001:db8:1:2:ffff::1");
        let _other = enter(&clients, "2001:db8:1:3::1");
        assert_eq!(clients.count(), count(2, 0));
    }

    #[test]
    fn behind_a_proxy_a_client_that_comes_again_counts_once() {
        for proxy in ["127.0.0.1", "10.0.0.1", "::1", "fd00::1", "::ffff:192.168.0.1", "100.64.0.1"]
        {
            let clients = watched();
            let _others: Vec<_> = (0..4).map(|_| enter(&clients, proxy)).collect();
            for _ in 0..100 {
                enter(&clients, proxy).record_fault();
            }
            assert_eq!(clients.count(), count(5, 1), "{proxy}");
        }
    }

    #[test]
    fn behind_a_proxy_each_of_those_at_once_counts() {
        let clients = watched();
        let mut all: Vec<_> = (0..4).map(|_| enter(&clients, "127.0.0.1")).collect();
        all.iter_mut().take(3).for_each(|client| {
            client.record_fault();
            client.record_fault();
        });
        assert_eq!(clients.count(), count(4, 3));
        drop(all);
        assert_eq!(clients.count(), count(4, 3));
    }

    #[test]
    fn nobody_is_kept_when_nobody_watches() {
        let clients = watched();
        let mut client = enter(&clients, "127.0.0.1");
        clients.stop();
        client.record_fault();
        drop(client);
        assert_eq!(clients.count(), count(0, 0));
    }

    #[test]
    fn an_event_that_is_counted_after_the_watch_leaves_nothing_behind() {
        let clients = watched();
        clients.stop();
        let address = "127.0.0.1".parse().unwrap();
        assert!(clients.add_migrated(address).is_none());
        assert!(clients.add_accepted(address).is_none());
        clients.record_rejected(address, true);
        assert!(clients.lock().addresses.is_empty());
    }

    #[test]
    fn behind_a_proxy_each_handshake_that_fails_counts_until_one_is_accepted() {
        let clients = watched();
        let proxy = "127.0.0.1".parse().unwrap();
        let _moved = enter(&clients, "127.0.0.1");
        for _ in 0..100 {
            clients.record_rejected(proxy, true);
        }
        assert_eq!(clients.count(), count(101, 100));
        let first = clients.add_accepted(proxy).unwrap();
        assert_eq!(clients.count(), count(2, 1));
        for _ in 0..100 {
            clients.record_rejected(proxy, true);
        }
        assert_eq!(clients.count(), count(3, 2));
        drop(first);
        clients.record_rejected(proxy, true);
        assert_eq!(clients.count(), count(3, 2));
    }

    #[test]
    fn an_address_of_the_internet_whose_handshakes_fail_is_one_client() {
        let clients = watched();
        for address in ["203.0.113.1", "203.0.113.2", "2001:db8:1:2::1", "2001:db8:1:2::2"] {
            let address = address.parse().unwrap();
            (0..10).for_each(|_| clients.record_rejected(address, true));
        }
        assert_eq!(clients.count(), count(3, 3));
        let accepted = clients.add_accepted("203.0.113.1".parse().unwrap());
        drop(accepted);
        assert_eq!(clients.count(), count(3, 3));
    }

    #[test]
    fn a_client_that_is_turned_away_is_a_client_that_had_an_event() {
        let clients = watched();
        for address in ["127.0.0.1", "203.0.113.1"] {
            let address = address.parse().unwrap();
            (0..10).for_each(|_| clients.record_rejected(address, false));
        }
        assert_eq!(clients.count(), count(2, 0));
    }

    #[test]
    fn the_counts_are_the_sums_over_all_addresses() {
        let clients = watched();
        let addresses = ["127.0.0.1", "203.0.113.1", "fd00::1", "2001:db8::1"];
        let mut held = Vec::new();
        for step in 0..200_usize {
            let address = addresses[step % addresses.len()].parse().unwrap();
            match step * 7 % 11 {
                0..=2 => clients.record_rejected(address, true),
                3 => clients.record_rejected(address, false),
                4 => held.extend(clients.add_accepted(address)),
                5 => drop(held.pop()),
                6 => held.iter_mut().for_each(ClientSlot::record_fault),
                _ => held.extend(clients.add_migrated(address)),
            }
            let counted = clients.lock();
            let each = counted.addresses.iter().map(|(of, known)| known.count(*of));
            let sum = each.fold(count(0, 0), |sum, one| {
                count(sum.clients + one.clients, sum.failed + one.failed)
            });
            assert_eq!(counted.total, sum, "after step {step}");
        }
    }
}
