//! How a version has fared: the calls it got, how long they took, and those that failed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

use super::clients::{ClientCount, Clients};
use narrowboat_core::fault::GuestFault;
use narrowboat_core::times::Times;

/// Counts a version's events and faults, and tells whoever watches it of each fault.
#[derive(Debug, Default)]
pub struct Tally {
    events: AtomicU64,
    /// Events for which the guest blamed its client. They are not faults: clients do not decide which version is live.
    client_errors: AtomicU64,
    /// Messages of types that the guest does not know.
    unknown: AtomicU64,
    kinds: [AtomicU64; FaultKind::ALL.len()],
    fault: Notify,
    times: Times,
    /// What of all this were messages that workers handle, which no client's connection brings.
    worker_events: AtomicU64,
    worker_faults: AtomicU64,
    clients: Arc<Clients>,
}

/// A tally at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// Handshakes, frames, messages and timers that were brought to guests.
    pub events: u64,
    /// Those that ended in a trap, a time-out or an error.
    pub faults: u64,
}

/// Kinds of what a guest does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// It trapped.
    Trap,
    /// It ran past its time.
    Time,
    /// It returned an error.
    Error,
    /// It broke the contract.
    Contract,
}

impl FaultKind {
    /// Each of them.
    pub const ALL: [Self; 4] = [Self::Trap, Self::Time, Self::Error, Self::Contract];

    /// For figures.
    pub fn name(self) -> &'static str {
        match self {
            Self::Trap => "trap",
            Self::Time => "time",
            Self::Error => "error",
            Self::Contract => "contract",
        }
    }

    fn of(fault: &GuestFault) -> Self {
        match fault {
            GuestFault::Trap(_) | GuestFault::InstanceGone => Self::Trap,
            GuestFault::OutOfTime { .. } => Self::Time,
            GuestFault::Error(_) => Self::Error,
            GuestFault::Contract(_) | GuestFault::Bounded(_) => Self::Contract,
        }
    }
}

impl Tally {
    pub(super) fn event(&self) {
        self.events.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn fault(&self, fault: &GuestFault) {
        self.kinds[FaultKind::of(fault) as usize].fetch_add(1, Ordering::Relaxed);
        self.fault.notify_one();
    }

    pub(super) fn client_error(&self) {
        self.client_errors.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a message of a type that the guest does not know; true for the first.
    pub(super) fn unknown_message(&self) -> bool {
        self.unknown.fetch_add(1, Ordering::Relaxed) == 0
    }

    /// Events for which the guest blamed its client. They are not among the faults.
    pub fn client_errors(&self) -> u64 {
        self.client_errors.load(Ordering::Relaxed)
    }

    /// Messages of types that the guest does not know.
    pub fn unknown_messages(&self) -> u64 {
        self.unknown.load(Ordering::Relaxed)
    }

    pub(super) fn worker_event(&self) {
        self.event();
        self.worker_events.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn worker_fault(&self, fault: &GuestFault) {
        self.worker_faults.fetch_add(1, Ordering::Relaxed);
        self.fault(fault);
    }

    pub(super) fn clients(&self) -> &Arc<Clients> {
        &self.clients
    }

    /// Tells its clients apart from now on.
    pub fn watch_clients(&self) {
        self.clients.watch();
    }

    /// Tells its clients apart no more.
    pub fn end_watch(&self) {
        self.clients.end_watch();
    }

    /// The clients since they are told apart.
    pub fn client_count(&self) -> ClientCount {
        self.clients.count()
    }

    /// The counts of workers' messages now.
    pub fn worker_count(&self) -> Count {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let faults = load(&self.worker_faults);
        Count { events: load(&self.worker_events), faults }
    }

    /// The counts now.
    pub fn count(&self) -> Count {
        // Faults first: each was counted as an event before it failed.
        let faults = FaultKind::ALL.into_iter().map(|kind| self.faults(kind)).sum();
        Count { events: self.events.load(Ordering::Relaxed), faults }
    }

    /// Faults of a kind.
    pub fn faults(&self, kind: FaultKind) -> u64 {
        self.kinds[kind as usize].load(Ordering::Relaxed)
    }

    /// How long calls took.
    pub fn times(&self) -> &Times {
        &self.times
    }

    /// Waits for the next fault; one that nobody waited for counts.
    pub async fn faulted(&self) {
        self.fault.notified().await;
    }
}
