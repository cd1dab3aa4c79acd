//! What a plugin may use, within what its tenant may and the host has, and how often it came to a bound.

mod bound;
mod bucket;
mod crowd;
mod limit_use;
mod reached;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use narrowboat_sync::{Level, UNBOUNDED};

pub use bound::{BOUNDS, Bound};
pub use crowd::Crowd;
pub use limit_use::LimitUse;

use bucket::{Bucket, now};
use narrowboat_config::{Limits, Quota};
use narrowboat_core::units::ByteSize;
use reached::Reached;

/// Names that may be looked up at a time for one plugin, and for one tenant: each takes a thread until it is known.
const LOOK_UPS: usize = 16;

/// What one plugin, one tenant or the host uses, and may.
#[derive(Debug)]
pub struct Meter {
    connections: Level,
    addresses: Crowd,
    connects: Bucket,
    instances: Level,
    snapshots: Level,
    memories: Level,
    requests: Level,
    look_ups: Level,
    /// Bytes of keys and values; they are counted where they are.
    keyvalue: AtomicUsize,
    /// In nanoseconds.
    cpu: Bucket,
    /// More of it has been used than there is, so that short calls wait as well.
    spent: AtomicBool,
    inward: Rates,
    outward: Rates,
    reached: Reached,
}

/// Frames and bytes a second, one way.
#[derive(Debug, Default)]
struct Rates {
    frames: Bucket,
    bytes: Bucket,
    /// Whether there is a bound at all.
    bounded: AtomicBool,
}

impl Default for Meter {
    fn default() -> Self {
        Self {
            connections: Level::default(),
            addresses: Crowd::new(UNBOUNDED),
            connects: Bucket::default(),
            instances: Level::default(),
            snapshots: Level::default(),
            memories: Level::default(),
            requests: Level::default(),
            look_ups: Level::new(LOOK_UPS),
            keyvalue: AtomicUsize::new(UNBOUNDED),
            cpu: Bucket::default(),
            spent: AtomicBool::new(false),
            inward: Rates::default(),
            outward: Rates::default(),
            reached: Reached::default(),
        }
    }
}

impl Rates {
    fn set(&self, frames: Option<u64>, bytes: Option<u64>) {
        self.frames.set(frames);
        self.bytes.set(bytes);
        self.bounded.store(frames.is_some() || bytes.is_some(), Ordering::Relaxed);
    }

    fn is_bounded(&self) -> bool {
        self.bounded.load(Ordering::Relaxed)
    }

    fn take(&self, bytes: usize) {
        if self.is_bounded() {
            self.frames.take(1);
            self.bytes.take(bytes as u64);
        }
    }
}

impl Meter {
    /// With the bounds of a quota.
    pub fn new(quota: &Quota) -> Self {
        let meter = Self::default();
        meter.set(quota);
        meter
    }

    /// The host's own, within which all else is. Unless its configuration says how many connections one address may
    /// have, this machine itself may have any number.
    pub fn of_host(limits: &Limits) -> Self {
        let meter = if limits.connections_per_address == 0 {
            Self { addresses: Crowd::of_others(UNBOUNDED), ..Self::default() }
        } else {
            Self::default()
        };
        meter.set(&limits.of_host());
        // What looks names up has a bound of its own.
        meter.look_ups.set(UNBOUNDED);
        meter
    }

    /// Has other bounds from now on. What is above them stays, and nothing more comes.
    pub fn set(&self, quota: &Quota) {
        self.connections.set(quota.connections.unwrap_or(UNBOUNDED));
        self.addresses.set(quota.connections_per_address.unwrap_or(UNBOUNDED));
        self.connects.set(quota.connects);
        self.instances.set(quota.instances.unwrap_or(UNBOUNDED));
        self.snapshots.set(quota.snapshots.map_or(UNBOUNDED, ByteSize::bytes));
        self.memories.set(quota.memories.map_or(UNBOUNDED, ByteSize::bytes));
        self.requests.set(quota.requests.unwrap_or(UNBOUNDED));
        let keyvalue = quota.keyvalue.map_or(UNBOUNDED, ByteSize::bytes);
        self.keyvalue.store(keyvalue, Ordering::Relaxed);
        self.cpu.set(quota.cpu.map(|span| nanoseconds(span.duration())));
        self.spent.store(false, Ordering::Relaxed);
        let bytes = |size: Option<ByteSize>| size.map(|size| size.bytes() as u64);
        self.inward.set(quota.frames_in, bytes(quota.bytes_in));
        self.outward.set(quota.frames_out, bytes(quota.bytes_out));
    }

    fn dismiss(&self, address: IpAddr) {
        self.addresses.leave(address);
        self.connections.give(1);
    }
}

fn nanoseconds(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// Whose each of an allowance's meters is.
const WHOSE: [&str; 3] = ["the plugin's own", "its tenant's", "the host's"];

/// What a plugin may use.
#[derive(Debug)]
pub struct Allowance {
    /// As the log calls the plugin.
    label: Box<str>,
    /// Its own, its tenant's and the host's.
    meters: [Arc<Meter>; 3],
    reached: [AtomicU64; BOUNDS.len()],
}

impl Default for Allowance {
    fn default() -> Self {
        Self::within("", Arc::default(), Arc::default())
    }
}

impl Allowance {
    /// All that its tenant may use, until it is told less. `label` is how the log calls the plugin.
    pub fn within(label: &str, tenant: Arc<Meter>, host: Arc<Meter>) -> Self {
        let meters = [Arc::default(), tenant, host];
        Self { label: label.into(), meters, reached: Default::default() }
    }

    /// Has other bounds of its own from now on.
    pub fn set(&self, quota: &Quota) {
        self.meters[0].set(quota);
    }

    /// Notes that it came to a bound.
    pub fn note(&self, bound: Bound) {
        let makes_wait = |meter: &Arc<Meter>| match bound {
            Bound::Keyvalue => meter.limit(bound).is_some(),
            bound => meter.bucket(bound).is_some_and(|bucket| bucket.wait().is_some()),
        };
        match self.meters.iter().position(makes_wait) {
            Some(place) => self.note_of(place, bound),
            None if self.meters[0].measures(bound) => self.count(bound),
            // Limits of one instance, one call or one connection belong to no meter: the plugin's own counts them.
            None => self.note_of(0, bound),
        }
    }

    /// Notes that it came to a bound of one of its meters, and tells the log once in a while.
    fn note_of(&self, place: usize, bound: Bound) {
        self.count(bound);
        let meter = &self.meters[place];
        if meter.reached.count(bound, now()) {
            let (plugin, name) = (&*self.label, bound.name());
            let which = match meter.limit(bound) {
                Some(limit) => {
                    format!("{} limit is reached: {name}, {}", WHOSE[place], bound.amount(limit))
                }
                None => format!("a limit is reached: {name}"),
            };
            tracing::warn!(plugin, "{which}; this is told once a minute at most");
        }
    }

    fn count(&self, bound: Bound) {
        self.reached[bound as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// The bounds of its own, and how they fare.
    pub fn own_limits(&self) -> impl Iterator<Item = LimitUse> + use<'_> {
        self.meters[0].limits()
    }

    /// How often it came to a bound.
    pub fn reached(&self, bound: Bound) -> u64 {
        self.reached[bound as usize].load(Ordering::Relaxed)
    }

    /// Admits a connection from an address.
    ///
    /// # Errors
    /// The bound it came to.
    pub fn admit(self: &Arc<Self>, address: IpAddr) -> Result<Admitted, Bound> {
        // Until they are given back, nobody else takes anything of these meters that is looked at here.
        let mut connections = Level::hold(self.levels(|meter| &meter.connections));
        let refused = self.meters.iter().enumerate().find_map(|(place, meter)| {
            let bound = if meter.connects.wait().is_some() {
                Bound::Connects
            } else if !connections.has_room(place, 1) {
                Bound::Connections
            } else if !meter.addresses.has_room(address) {
                Bound::ConnectionsPerAddress
            } else {
                return None;
            };
            Some((place, bound))
        });
        if let Some((place, bound)) = refused {
            drop(connections);
            self.note_of(place, bound);
            return Err(bound);
        }
        connections.take(1);
        for meter in &self.meters {
            meter.addresses.add(address);
            meter.connects.take(1);
        }
        Ok(Admitted { allowance: Arc::clone(self), address })
    }

    /// The levels of something, in the order in which everybody takes of them: the narrowest first.
    fn levels(&self, level: impl Fn(&Meter) -> &Level) -> [&Level; 3] {
        self.meters.each_ref().map(|meter| level(meter))
    }

    /// Takes so much of something that there is only so much of.
    ///
    /// # Errors
    /// The bound of it, where there is less left.
    pub fn take(self: &Arc<Self>, room: Room, count: usize) -> Result<Taken, Bound> {
        let mut taken = self.none_of(room);
        taken.more(count)?;
        Ok(taken)
    }

    /// Takes so much of something, whether or not there is so much left.
    pub fn take_anyway(self: &Arc<Self>, room: Room, count: usize) -> Taken {
        self.levels(|meter| room.of(meter)).iter().for_each(|level| level.add(count));
        Taken { allowance: Arc::clone(self), room, count }
    }

    /// Nothing yet of something that there is only so much of.
    pub fn none_of(self: &Arc<Self>, room: Room) -> Taken {
        Taken { allowance: Arc::clone(self), room, count: 0 }
    }

    /// Bytes that the tenant's keys and values may count for, if it was told.
    pub fn keyvalue(&self) -> Option<usize> {
        let told = self.meters.iter().map(|meter| meter.keyvalue.load(Ordering::Relaxed));
        told.min().filter(|most| *most != UNBOUNDED)
    }

    /// Whether there is a bound of the time that guests run.
    pub fn bounds_time(&self) -> bool {
        self.meters.iter().any(|meter| meter.cpu.is_bounded())
    }

    /// Counts time that a guest has run.
    pub fn run(&self, time: Duration) {
        let time = nanoseconds(time);
        for (place, meter) in self.meters.iter().enumerate() {
            if !meter.cpu.is_bounded() {
                continue;
            }
            meter.cpu.take(time);
            if meter.cpu.wait().is_some() && !meter.spent.swap(true, Ordering::Relaxed) {
                self.note_of(place, Bound::Cpu);
            }
        }
    }

    /// Whether guests have run for so long that all further calls have to wait: see [`Allowance::rest`].
    pub fn is_spent(&self) -> bool {
        self.meters.iter().any(|meter| meter.spent.load(Ordering::Relaxed))
    }

    /// How long a call has to wait before it may run; `None` if it need not.
    pub fn rest(&self) -> Option<Duration> {
        let rests = self.meters.iter().map(|meter| {
            let rest = meter.cpu.wait();
            if rest.is_none() {
                meter.spent.store(false, Ordering::Relaxed);
            }
            rest
        });
        rests.max().flatten()
    }

    /// Counts a message of a client.
    pub fn hear(&self, bytes: usize) {
        self.meters.iter().for_each(|meter| meter.inward.take(bytes));
    }

    /// How long no further message of a client may be read, and which bound that is; `None` if it may.
    pub fn deaf(&self) -> Option<(Duration, Bound)> {
        let rates = self.meters.iter().map(|meter| &meter.inward);
        wait(rates, Bound::FramesIn, Bound::BytesIn)
    }

    /// Counts a frame to a client.
    pub fn say(&self, bytes: usize) {
        self.meters.iter().for_each(|meter| meter.outward.take(bytes));
    }

    /// How long no further frame may be written, and which bound that is; `None` if it may.
    pub fn mute(&self) -> Option<(Duration, Bound)> {
        let rates = self.meters.iter().map(|meter| &meter.outward);
        wait(rates, Bound::FramesOut, Bound::BytesOut)
    }
}

/// Whose bound it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// The plugin's own.
    Plugin,
    /// Its tenant's.
    Tenant,
    /// The host's.
    Host,
}

impl Allowance {
    /// Whose bound leaves no room now for so much more of something: the first that a request for it comes to.
    pub fn refuser(&self, room: Room, count: usize) -> Option<Owner> {
        let mut owners = self.meters.iter().zip([Owner::Plugin, Owner::Tenant, Owner::Host]);
        let full = owners.find(|(meter, _)| !room.of(meter).has_room(count));
        full.map(|(_, owner)| owner)
    }
}

fn wait<'a>(
    rates: impl Iterator<Item = &'a Rates>,
    frames: Bound,
    bytes: Bound,
) -> Option<(Duration, Bound)> {
    let waits = rates.filter(|rates| rates.is_bounded()).flat_map(|rates| {
        let frames = rates.frames.wait().map(|wait| (wait, frames));
        frames.into_iter().chain(rates.bytes.wait().map(|wait| (wait, bytes)))
    });
    waits.max_by_key(|(wait, _)| *wait)
}

/// A connection that was admitted, counted until it is dropped.
#[derive(Debug)]
pub struct Admitted {
    allowance: Arc<Allowance>,
    address: IpAddr,
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.allowance.meters.iter().for_each(|meter| meter.dismiss(self.address));
    }
}

/// What there is only so much of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// Instances, each as many as it takes the room of.
    Instances,
    /// Bytes of what guests leave to their successors.
    Snapshots,
    /// Bytes of linear memory.
    Memories,
    /// Requests that are open.
    Requests,
    /// Names that are looked up.
    LookUps,
}

impl Room {
    fn of(self, meter: &Meter) -> &Level {
        match self {
            Self::Instances => &meter.instances,
            Self::Snapshots => &meter.snapshots,
            Self::Memories => &meter.memories,
            Self::Requests => &meter.requests,
            Self::LookUps => &meter.look_ups,
        }
    }

    const fn bound(self) -> Bound {
        match self {
            Self::Instances => Bound::Instances,
            Self::Snapshots => Bound::Snapshots,
            Self::Memories => Bound::Memories,
            // Only requests have names looked up.
            Self::Requests | Self::LookUps => Bound::Requests,
        }
    }
}

/// Room that is taken until this is dropped.
#[derive(Debug)]
pub struct Taken {
    allowance: Arc<Allowance>,
    room: Room,
    count: usize,
}

impl Taken {
    /// Takes some more.
    ///
    /// # Errors
    /// As [`Allowance::take`]; what there was is still taken.
    pub fn more(&mut self, count: usize) -> Result<(), Bound> {
        // Nothing is there even where a bound has been lowered below what is taken.
        if count == 0 {
            return Ok(());
        }
        let Self { allowance, room, .. } = self;
        if let Err(index) = Level::take_all(allowance.levels(|meter| room.of(meter)), count) {
            allowance.note_of(index, room.bound());
            return Err(room.bound());
        }
        self.count += count;
        Ok(())
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.allowance.meters.iter().for_each(|meter| self.room.of(meter).give(self.count));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use narrowboat_core::units::Span;

    const ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn allowance(own: Quota, tenant: Quota) -> Arc<Allowance> {
        let allowance = Allowance::within("", Arc::new(Meter::new(&tenant)), Arc::default());
        allowance.set(&own);
        Arc::new(allowance)
    }

    #[test]
    fn the_narrower_of_two_bounds_holds_and_what_is_refused_takes_nothing() {
        let one = Quota { connections: Some(1), ..Quota::default() };
        let two = Quota { connections: Some(2), ..Quota::default() };
        for (own, tenant) in [(one, two), (two, one)] {
            let allowance = allowance(own, tenant);
            let first = allowance.admit(ADDRESS).unwrap();
            for _ in 0..3 {
                assert_eq!(allowance.admit(ADDRESS).unwrap_err(), Bound::Connections);
            }
            assert_eq!(allowance.reached(Bound::Connections), 3);
            drop(first);
            assert!(allowance.admit(ADDRESS).is_ok());
        }
    }

    #[test]
    fn plugins_of_a_tenant_share_what_it_may() {
        let tenant = Arc::new(Meter::new(&Quota { connections: Some(1), ..Quota::default() }));
        let plugin = || Arc::new(Allowance::within("", Arc::clone(&tenant), Arc::default()));
        let (one, other) = (plugin(), plugin());
        let _held = one.admit(ADDRESS).unwrap();
        assert_eq!(other.admit(ADDRESS).unwrap_err(), Bound::Connections);
        assert_eq!((one.reached(Bound::Connections), other.reached(Bound::Connections)), (0, 1));
        let limit =
            LimitUse { bound: Bound::Connections, used: Some(1), limit: Some(1), reached: 1 };
        assert_eq!(tenant.limits().collect::<Vec<_>>(), [limit]);
        assert_eq!(other.own_limits().count(), 0);
    }

    #[test]
    fn who_has_run_for_too_long_waits_and_is_told_so_once() {
        let cpu = Quota { cpu: Some(Span::millis(100)), ..Quota::default() };
        let allowance = allowance(cpu, Quota::default());
        assert!(!allowance.is_spent() && allowance.rest().is_none());
        for _ in 0..300 {
            allowance.run(Duration::from_millis(1));
        }
        assert!(allowance.is_spent());
        let rest = allowance.rest().unwrap();
        assert!(
            (Duration::from_millis(1_900)..=Duration::from_secs(2)).contains(&rest),
            "{rest:?}"
        );
        assert_eq!(allowance.reached(Bound::Cpu), 1);
        allowance.set(&Quota::default());
        assert!(allowance.rest().is_none() && !allowance.is_spent());
    }

    #[test]
    fn frames_and_bytes_wait_for_whichever_is_longer() {
        let rates =
            Quota { frames_in: Some(10), bytes_in: Some(ByteSize::mib(1)), ..Quota::default() };
        let allowance = allowance(rates, Quota::default());
        (0..10).for_each(|_| allowance.hear(1));
        assert_eq!(allowance.deaf(), None);
        allowance.hear(4 << 20);
        assert_eq!(allowance.deaf().unwrap().1, Bound::BytesIn);
        assert_eq!(allowance.mute(), None);
    }

    #[test]
    fn what_is_taken_is_given_back() {
        let room = Quota { snapshots: Some(ByteSize::mib(1)), ..Quota::default() };
        let allowance = allowance(room, Quota::default());
        let taken = allowance.take(Room::Snapshots, 1 << 20).unwrap();
        assert_eq!(allowance.take(Room::Snapshots, 1).unwrap_err(), Bound::Snapshots);
        drop(taken);
        assert!(allowance.take(Room::Snapshots, 1).is_ok());
    }

    #[test]
    fn what_is_refused_takes_nothing_of_anybodys() {
        let (wide, narrow) = (ByteSize::mib(2), ByteSize::mib(1));
        let quota = |most| Quota { memories: Some(most), ..Quota::default() };
        let allowance = allowance(quota(wide), quota(narrow));
        let mut taken = allowance.take(Room::Memories, 1 << 20).unwrap();
        assert_eq!(allowance.refuser(Room::Memories, 0), None);
        for _ in 0..3 {
            assert_eq!(taken.more(1), Err(Bound::Memories));
            assert_eq!(allowance.refuser(Room::Memories, 1), Some(Owner::Tenant));
        }
        assert_eq!(allowance.reached(Bound::Memories), 3);
        drop(taken);
        assert!(allowance.take(Room::Memories, 1 << 20).is_ok());
    }

    #[test]
    fn what_a_tenant_refuses_is_not_counted_as_a_handshake_of_the_plugin() {
        let own = Quota { connects: Some(2), ..Quota::default() };
        let tenant = Quota { connections: Some(1), ..Quota::default() };
        let allowance = allowance(own, tenant);
        let first = allowance.admit(ADDRESS).unwrap();
        for _ in 0..100 {
            assert_eq!(allowance.admit(ADDRESS).unwrap_err(), Bound::Connections);
        }
        drop(first);
        assert!(allowance.admit(ADDRESS).is_ok(), "the refused ones have used up its handshakes");
    }

    #[test]
    fn what_is_refused_at_a_wider_meter_is_not_counted_at_a_narrower_one() {
        let one = Quota { connections_per_address: Some(1), ..Quota::default() };
        let allowance = allowance(Quota { connections: Some(1), ..Quota::default() }, one);
        let first = allowance.admit(ADDRESS).unwrap();
        assert_eq!(allowance.admit(ADDRESS).unwrap_err(), Bound::Connections);
        drop(first);
        let other = "192.0.2.1".parse().unwrap();
        let second = allowance.admit(other).unwrap();
        drop(second);
        assert!(allowance.admit(ADDRESS).is_ok());
    }
}
