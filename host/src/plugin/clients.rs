//! How many different clients a version has served, and how many of them saw it fail.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Addresses that are told apart; connections of further ones are not counted.
const MOST: usize = 65_536;

/// The part of an address of IPv6 that one client has to itself.
const NETWORK: u128 = !0 << 64;

/// The clients of a version, counted only while it is watched.
#[derive(Debug, Default)]
pub(super) struct Clients {
    is_watched: AtomicBool,
    addresses: Mutex<HashMap<IpAddr, Address>>,
}

/// Clients at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ClientCount {
    /// Different clients that had an event.
    pub clients: u64,
    /// Those of them that saw a fault.
    pub failed: u64,
}

/// The connections of one address. Each has a place; who comes when another has left takes that one's place, first one
/// that failed, so that a client that comes again counts once. There are as many places as there were connections at once.
#[derive(Debug, Default)]
struct Address {
    places: u64,
    failed: u64,
    free: u64,
    /// Free places of connections that failed.
    free_failed: u64,
}

/// The place of a connection among the clients of its version, until it is dropped.
#[derive(Debug)]
pub(super) struct Client {
    clients: Arc<Clients>,
    address: IpAddr,
    has_failed: bool,
}

impl Clients {
    /// Counts from now on, beginning with nobody.
    pub(super) fn watch(&self) {
        self.lock().clear();
        self.is_watched.store(true, Ordering::Relaxed);
    }

    /// Counts no more.
    pub(super) fn end_watch(&self) {
        self.is_watched.store(false, Ordering::Relaxed);
        let old = std::mem::take(&mut *self.lock());
        drop(old);
    }

    /// Whether anybody is counted.
    pub(super) fn is_watched(&self) -> bool {
        self.is_watched.load(Ordering::Relaxed)
    }

    /// A connection of this address has its first event.
    pub(super) fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Client> {
        let address = network(address);
        let mut addresses = self.lock();
        if addresses.len() >= MOST && !addresses.contains_key(&address) {
            return None;
        }
        let place = addresses.entry(address).or_default();
        let has_failed = place.take();
        drop(addresses);
        Some(Client { clients: Arc::clone(self), address, has_failed })
    }

    /// The counts now. An address of the internet is one client, however many connections it opens. One of this machine or
    /// of a private network may be a proxy, and is as many clients as it had connections at once.
    pub(super) fn count(&self) -> ClientCount {
        let mut count = ClientCount::default();
        for (address, Address { places, failed, .. }) in &*self.lock() {
            let most = if may_be_a_proxy(*address) { u64::MAX } else { 1 };
            count.clients += most.min(*places);
            count.failed += most.min(*failed);
        }
        count
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, Address>> {
        // Nothing in here panics between two writes, so a poisoned state is still whole.
        self.addresses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Address {
    /// Takes a place; whether that counts as failed already.
    fn take(&mut self) -> bool {
        if self.free_failed > 0 {
            self.free_failed -= 1;
            return true;
        }
        match self.free.checked_sub(1) {
            Some(free) => self.free = free,
            None => self.places += 1,
        }
        false
    }
}

impl Client {
    /// It saw a fault.
    pub(super) fn fail(&mut self) {
        if self.has_failed {
            return;
        }
        if let Some(address) = self.clients.lock().get_mut(&self.address) {
            address.failed += 1;
            self.has_failed = true;
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if let Some(address) = self.clients.lock().get_mut(&self.address) {
            match self.has_failed {
                true => address.free_failed += 1,
                false => address.free += 1,
            }
        }
    }
}

/// What tells one client's addresses from another's.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & NETWORK).into(),
        address @ IpAddr::V4(_) => address,
    }
}

/// Whether an address is none of the internet's. That of a network keeps the bits that say so.
fn may_be_a_proxy(address: IpAddr) -> bool {
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

    fn watched() -> Arc<Clients> {
        let clients = Arc::new(Clients::default());
        clients.watch();
        clients
    }

    fn enter(clients: &Arc<Clients>, address: &str) -> Client {
        clients.enter(address.parse().unwrap()).unwrap()
    }

    fn count(clients: u64, failed: u64) -> ClientCount {
        ClientCount { clients, failed }
    }

    #[test]
    fn an_address_of_the_internet_is_one_client() {
        let clients = watched();
        let _others = ["203.0.113.1", "203.0.113.2"].map(|other| enter(&clients, other));
        let mut attackers: Vec<_> = (0..100).map(|_| enter(&clients, "198.51.100.7")).collect();
        attackers.iter_mut().for_each(Client::fail);
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
                enter(&clients, proxy).fail();
            }
            assert_eq!(clients.count(), count(5, 1), "{proxy}");
        }
    }

    #[test]
    fn behind_a_proxy_each_of_those_at_once_counts() {
        let clients = watched();
        let mut all: Vec<_> = (0..4).map(|_| enter(&clients, "127.0.0.1")).collect();
        all.iter_mut().take(3).for_each(|client| {
            client.fail();
            client.fail();
        });
        assert_eq!(clients.count(), count(4, 3));
        drop(all);
        assert_eq!(clients.count(), count(4, 3));
    }

    #[test]
    fn nobody_is_kept_when_nobody_watches() {
        let clients = watched();
        let client = enter(&clients, "127.0.0.1");
        clients.end_watch();
        drop(client);
        assert_eq!(clients.count(), count(0, 0));
    }
}
