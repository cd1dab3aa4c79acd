//! How many come from where.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Bits of an address of IPv6 that tell one client from another: a network of its own is what each gets (RFC 6177).
const NETWORK: u128 = !0 << 64;

/// Those of each client address, no more than so many.
#[derive(Debug)]
pub struct Crowd {
    most: AtomicUsize,
    /// This machine's own addresses are not counted.
    spares_loopback: bool,
    counts: Mutex<HashMap<IpAddr, usize>>,
}

impl Crowd {
    /// At most so many of one address.
    pub fn new(most: usize) -> Self {
        Self { most: AtomicUsize::new(most), spares_loopback: false, counts: Mutex::default() }
    }

    /// The same for all but this machine itself, where a proxy may stand that is not known to be one.
    pub fn of_others(most: usize) -> Self {
        Self { spares_loopback: true, ..Self::new(most) }
    }

    pub(super) fn set(&self, most: usize) {
        self.most.store(most, Ordering::Relaxed);
    }

    pub(super) fn most(&self) -> usize {
        self.most.load(Ordering::Relaxed)
    }

    /// Counts one more of an address, if there may be one more; each is to [leave](Crowd::leave).
    pub fn enter(&self, address: IpAddr) -> bool {
        if self.spares(address) {
            return true;
        }
        let most = self.most.load(Ordering::Relaxed);
        let mut counts = self.lock();
        let fits = number(&counts, address) < most;
        if fits {
            *counts.entry(client(address)).or_default() += 1;
        }
        fits
    }

    /// Whether there may be one more of an address.
    pub(super) fn has_room(&self, address: IpAddr) -> bool {
        self.spares(address) || number(&self.lock(), address) < self.most.load(Ordering::Relaxed)
    }

    /// Counts one more of an address, whether or not there may be; it is to [leave](Crowd::leave).
    pub(super) fn add(&self, address: IpAddr) {
        if !self.spares(address) {
            *self.lock().entry(client(address)).or_default() += 1;
        }
    }

    /// One of an address is gone.
    pub fn leave(&self, address: IpAddr) {
        if self.spares(address) {
            return;
        }
        let mut counts = self.lock();
        let address = client(address);
        if let Some(count) = counts.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&address);
            }
        }
    }

    fn spares(&self, address: IpAddr) -> bool {
        self.spares_loopback && address.to_canonical().is_loopback()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        // Nothing in here panics between two writes, so a poisoned state is still whole.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many there are of an address. One of which there is none has no entry, so that refusals leave none behind.
fn number(counts: &HashMap<IpAddr, usize>, address: IpAddr) -> usize {
    counts.get(&client(address)).copied().unwrap_or(0)
}

/// What of an address is a client's own.
fn client(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & NETWORK).into(),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_client_has_as_many_and_a_network_is_one_client() {
        let crowd = Crowd::new(1);
        let enter = |address: &str| crowd.enter(address.parse().unwrap());
        assert!(enter("192.0.2.1") && enter("192.0.2.2") && enter("2001:db8::1"));
        for other in ["192.0.2.1", "::ffff:192.0.2.1", "2001:db8::ffff:1"] {
            assert!(!enter(other), "{other}");
        }
        assert!(enter("2001:db8:0:1::1"));
        crowd.leave("192.0.2.1".parse().unwrap());
        assert!(enter("192.0.2.1"));
    }

    #[test]
    fn this_machine_may_be_spared() {
        let crowd = Crowd::of_others(1);
        for address in ["127.0.0.1", "::1", "::ffff:127.0.0.2"] {
            let address: IpAddr = address.parse().unwrap();
            assert!(crowd.enter(address) && crowd.enter(address));
            crowd.leave(address);
        }
        let other = "192.0.2.1".parse().unwrap();
        assert!(crowd.enter(other) && !crowd.enter(other));
    }
}
