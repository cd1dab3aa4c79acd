//! How a version has fared: the calls it got, how long they took, and those that failed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

use super::address_clients::ClientCount;
use super::client_tracker::ClientTracker;
use super::fault_kind::FaultKind;
use narrowboat_core::fault::GuestFault;
use narrowboat_core::histogram::Histogram;

/// Counts a version's events and faults, and tells whoever watches it of each fault.
#[derive(Debug, Default)]
pub struct VersionStats {
    events: AtomicU64,
    /// Events for which the guest blamed its client. They are not faults: clients do not decide which version is live.
    client_errors: AtomicU64,
    /// Messages of types that the guest does not know.
    unknown_messages: AtomicU64,
    faults_by_kind: [AtomicU64; FaultKind::ALL.len()],
    fault_notify: Notify,
    call_durations: Histogram,
    /// What of all this were messages that workers handle, which no client's connection brings.
    worker_events: AtomicU64,
    worker_faults: AtomicU64,
    clients: Arc<ClientTracker>,
}

/// A tally at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EventCounts {
    /// Handshakes, frames, messages and timers that were brought to guests.
    pub events: u64,
    /// Those that ended in a trap, a time-out or an error.
    pub faults: u64,
}

impl VersionStats {
    pub(crate) fn record_event(&self) {
        self.events.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn record_fault(&self, fault: &GuestFault) {
        self.faults_by_kind[FaultKind::of(fault) as usize].fetch_add(1, Ordering::Relaxed);
        self.fault_notify.notify_one();
    }

    pub(crate) fn record_client_error(&self) {
        self.client_errors.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a message of a type that the guest does not know; true for the first.
    pub(crate) fn record_unknown_message(&self) -> bool {
        self.unknown_messages.fetch_add(1, Ordering::Relaxed) == 0
    }

    /// Events for which the guest blamed its client. They are not among the faults.
    pub fn client_errors(&self) -> u64 {
        self.client_errors.load(Ordering::Relaxed)
    }

    /// Messages of types that the guest does not know.
    pub fn unknown_messages(&self) -> u64 {
        self.unknown_messages.load(Ordering::Relaxed)
    }

    pub(crate) fn record_worker_event(&self) {
        self.record_event();
        self.worker_events.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn record_worker_fault(&self, fault: &GuestFault) {
        self.worker_faults.fetch_add(1, Ordering::Relaxed);
        self.record_fault(fault);
    }

    pub(crate) fn clients(&self) -> &Arc<ClientTracker> {
        &self.clients
    }

    /// Tells its clients apart from now on.
    pub fn start_client_tracking(&self) {
        self.clients.start();
    }

    /// Tells its clients apart no more.
    pub fn stop_client_tracking(&self) {
        self.clients.stop();
    }

    /// The clients since they are told apart.
    pub fn client_count(&self) -> ClientCount {
        self.clients.count()
    }

    /// The counts of workers' messages now.
    pub fn worker_event_counts(&self) -> EventCounts {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let faults = load(&self.worker_faults);
        EventCounts { events: load(&self.worker_events), faults }
    }

    /// The counts now.
    pub fn event_counts(&self) -> EventCounts {
        // Faults first: each was counted as an event before it failed.
        let faults = FaultKind::ALL.into_iter().map(|kind| self.fault_count(kind)).sum();
        EventCounts { events: self.events.load(Ordering::Relaxed), faults }
    }

    /// Faults of a kind.
    pub fn fault_count(&self, kind: FaultKind) -> u64 {
        self.faults_by_kind[kind as usize].load(Ordering::Relaxed)
    }

    /// How long calls took.
    pub fn call_durations(&self) -> &Histogram {
        &self.call_durations
    }

    /// Waits for the next fault; one that nobody waited for counts.
    pub async fn wait_for_fault(&self) {
        self.fault_notify.notified().await;
    }
}
