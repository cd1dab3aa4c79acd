//! A limit of connections for each client address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The bits of an IPv6 address that identify a client: each client site gets a network of its own (RFC 6177).
const IPV6_CLIENT_MASK: u128 = !0 << 64;

/// Counts what each client address holds, up to a limit.
#[derive(Debug)]
pub struct PerAddressLimit {
    limit: AtomicUsize,
    /// Loopback addresses are not counted.
    exempts_loopback: bool,
    counts: Mutex<HashMap<IpAddr, usize>>,
}

impl PerAddressLimit {
    /// Allows `limit` for each address.
    pub fn new(limit: usize) -> Self {
        Self { limit: AtomicUsize::new(limit), exempts_loopback: false, counts: Mutex::default() }
    }

    /// Allows `limit` for each address, and any number for loopback addresses: a proxy that is not configured as one may
    /// connect from there.
    pub fn exempting_loopback(limit: usize) -> Self {
        Self { exempts_loopback: true, ..Self::new(limit) }
    }

    /// Replaces the limit.
    pub(crate) fn set_limit(&self, limit: usize) {
        self.limit.store(limit, Ordering::Relaxed);
    }

    /// The limit of each address.
    pub(crate) fn limit(&self) -> usize {
        self.limit.load(Ordering::Relaxed)
    }

    /// Counts one more for an address and returns true, or returns false at the limit. The caller must call
    /// [`PerAddressLimit::release`] for each that was counted.
    pub fn try_acquire(&self, address: IpAddr) -> bool {
        if self.exempts(address) {
            return true;
        }
        let mut counts = self.lock();
        let fits = address_count(&counts, address) < self.limit();
        if fits {
            *counts.entry(client_network(address)).or_default() += 1;
        }
        fits
    }

    /// Whether an address may have one more.
    pub(crate) fn has_room(&self, address: IpAddr) -> bool {
        self.exempts(address) || address_count(&self.lock(), address) < self.limit()
    }

    /// Counts one more for an address, even above the limit. The caller must call [`PerAddressLimit::release`].
    pub(crate) fn acquire_unchecked(&self, address: IpAddr) {
        if !self.exempts(address) {
            *self.lock().entry(client_network(address)).or_default() += 1;
        }
    }

    /// Releases one of an address.
    pub fn release(&self, address: IpAddr) {
        if self.exempts(address) {
            return;
        }
        let mut counts = self.lock();
        let address = client_network(address);
        if let Some(count) = counts.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&address);
            }
        }
    }

    fn exempts(&self, address: IpAddr) -> bool {
        self.exempts_loopback && address.to_canonical().is_loopback()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        // No code panics between two writes, so a poisoned state is still consistent.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the count of an address. Does not insert an entry, so that refused addresses take no memory.
fn address_count(counts: &HashMap<IpAddr, usize>, address: IpAddr) -> usize {
    counts.get(&client_network(address)).copied().unwrap_or(0)
}

/// Returns the part of an address that identifies a client.
fn client_network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & IPV6_CLIENT_MASK).into(),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_client_has_the_same_limit_and_an_ipv6_network_is_one_client() {
        let limit = PerAddressLimit::new(1);
        let acquire = |address: &str| limit.try_acquire(address.parse().unwrap());
        assert!(acquire("192.0.2.1") && acquire("192.0.2.2") && acquire("2001:db8::1"));
        for other in ["192.0.2.1", "::ffff:192.0.2.1", "2001:db8::ffff:1"] {
            assert!(!acquire(other), "{other}");
        }
        assert!(acquire("2001:db8:0:1::1"));
        limit.release("192.0.2.1".parse().unwrap());
        assert!(acquire("192.0.2.1"));
    }

    #[test]
    fn loopback_addresses_can_be_exempted() {
        let limit = PerAddressLimit::exempting_loopback(1);
        for address in ["127.0.0.1", "::1", "::ffff:127.0.0.2"] {
            let address: IpAddr = address.parse().unwrap();
            assert!(limit.try_acquire(address) && limit.try_acquire(address));
            limit.release(address);
        }
        let other = "192.0.2.1".parse().unwrap();
        assert!(limit.try_acquire(other) && !limit.try_acquire(other));
    }
}
