//! How many come from where.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Bits of an address of IPv6 that tell one client from another: a network of its own is what each gets (RFC 6177).
const IPV6_CLIENT_MASK: u128 = !0 << 64;

/// Those of each client address, no more than so many.
#[derive(Debug)]
pub struct PerAddressLimit {
    limit: AtomicUsize,
    /// This machine's own addresses are not counted.
    exempts_loopback: bool,
    counts: Mutex<HashMap<IpAddr, usize>>,
}

impl PerAddressLimit {
    /// At most so many of one address.
    pub fn new(most: usize) -> Self {
        Self { limit: AtomicUsize::new(most), exempts_loopback: false, counts: Mutex::default() }
    }

    /// The same for all but this machine itself, where a proxy may stand that is not known to be one.
    pub fn exempting_loopback(most: usize) -> Self {
        Self { exempts_loopback: true, ..Self::new(most) }
    }

    pub(super) fn set_limit(&self, most: usize) {
        self.limit.store(most, Ordering::Relaxed);
    }

    pub(super) fn limit(&self) -> usize {
        self.limit.load(Ordering::Relaxed)
    }

    /// Counts one more of an address, if there may be one more; each is to [leave](Crowd::leave).
    pub fn try_acquire(&self, address: IpAddr) -> bool {
        if self.exempts(address) {
            return true;
        }
        let most = self.limit.load(Ordering::Relaxed);
        let mut counts = self.lock();
        let fits = address_count(&counts, address) < most;
        if fits {
            *counts.entry(client_network(address)).or_default() += 1;
        }
        fits
    }

    /// Whether there may be one more of an address.
    pub(super) fn has_room(&self, address: IpAddr) -> bool {
        self.exempts(address)
            || address_count(&self.lock(), address) < self.limit.load(Ordering::Relaxed)
    }

    /// Counts one more of an address, whether or not there may be; it is to [leave](Crowd::leave).
    pub(super) fn acquire_unchecked(&self, address: IpAddr) {
        if !self.exempts(address) {
            *self.lock().entry(client_network(address)).or_default() += 1;
        }
    }

    /// One of an address is gone.
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
        // Nothing in here panics between two writes, so a poisoned state is still whole.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many there are of an address. One of which there is none has no entry, so that refusals leave none behind.
fn address_count(counts: &HashMap<IpAddr, usize>, address: IpAddr) -> usize {
    counts.get(&client_network(address)).copied().unwrap_or(0)
}

/// What of an address is a client's own.
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
    fn each_client_has_as_many_and_a_network_is_one_client() {
        let crowd = PerAddressLimit::new(1);
        let enter = |address: &str| crowd.try_acquire(address.parse().unwrap());
        assert!(enter("192.0.2.1") && enter("192.0.2.2") && enter("2001:db8::1"));
        for other in ["192.0.2.1", "::ffff:192.0.2.1", "2001:db8::ffff:1"] {
            assert!(!enter(other), "{other}");
        }
        assert!(enter("2001:db8:0:1::1"));
        crowd.release("192.0.2.1".parse().unwrap());
        assert!(enter("192.0.2.1"));
    }

    #[test]
    fn this_machine_may_be_spared() {
        let crowd = PerAddressLimit::exempting_loopback(1);
        for address in ["127.0.0.1", "::1", "::ffff:127.0.0.2"] {
            let address: IpAddr = address.parse().unwrap();
            assert!(crowd.try_acquire(address) && crowd.try_acquire(address));
            crowd.release(address);
        }
        let other = "192.0.2.1".parse().unwrap();
        assert!(crowd.try_acquire(other) && !crowd.try_acquire(other));
    }
}
