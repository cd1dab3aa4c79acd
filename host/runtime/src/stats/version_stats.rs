//! Counts the events, the faults and the clients of a version.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

use super::address_clients::ClientCount;
use super::client_tracker::ClientTracker;
use super::fault_kind::FaultKind;
use narrowboat_core::fault::GuestFault;
use narrowboat_core::histogram::Histogram;
use narrowboat_core::striped::Striped;

/// Counts the events and faults of a version, and notifies a waiter of each fault.
#[derive(Debug, Default)]
pub struct VersionStats {
    events: Striped<AtomicU64>,
    /// Events for which the guest blamed its client. They are not faults: clients must not cause a rollback.
    client_errors: AtomicU64,
    /// Messages of types that the guest does not know.
    unknown_messages: AtomicU64,
    faults_by_kind: [AtomicU64; FaultKind::ALL.len()],
    fault_notify: Notify,
    call_durations: Histogram,
    /// The events that are messages for workers.
    worker_events: AtomicU64,
    worker_faults: AtomicU64,
    clients: Arc<ClientTracker>,
}

/// Counts at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EventCounts {
    /// Handshakes, frames, messages and timers that guests were called for.
    pub events: u64,
    /// The events that ended in a fault.
    pub faults: u64,
}

impl VersionStats {
    pub(crate) fn record_events(&self, count: u64) {
        self.events.local().fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn record_fault(&self, fault: &GuestFault) {
        self.faults_by_kind[FaultKind::of(fault) as usize].fetch_add(1, Ordering::Relaxed);
        self.fault_notify.notify_one();
    }

    pub(crate) fn record_client_error(&self) {
        self.client_errors.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a message of a type that the guest does not know. Returns true for the first one.
    pub(crate) fn record_unknown_message(&self) -> bool {
        self.unknown_messages.fetch_add(1, Ordering::Relaxed) == 0
    }

    /// Events for which the guest blamed its client. They do not count as faults.
    pub fn client_errors(&self) -> u64 {
        self.client_errors.load(Ordering::Relaxed)
    }

    /// Messages of types that the guest does not know.
    pub fn unknown_messages(&self) -> u64 {
        self.unknown_messages.load(Ordering::Relaxed)
    }

    pub(crate) fn record_worker_event(&self) {
        self.record_events(1);
        self.worker_events.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn record_worker_fault(&self, fault: &GuestFault) {
        self.worker_faults.fetch_add(1, Ordering::Relaxed);
        self.record_fault(fault);
    }

    pub(crate) fn clients(&self) -> &Arc<ClientTracker> {
        &self.clients
    }

    /// Starts to count clients, from zero.
    pub fn start_client_tracking(&self) {
        self.clients.start();
    }

    /// Stops counting clients, and forgets the counts.
    pub fn stop_client_tracking(&self) {
        self.clients.stop();
    }

    /// The clients since counting started.
    pub fn client_count(&self) -> ClientCount {
        self.clients.count()
    }

    /// The counts of messages for workers.
    pub fn worker_event_counts(&self) -> EventCounts {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let faults = load(&self.worker_faults);
        EventCounts { events: load(&self.worker_events), faults }
    }

    /// The counts of all events.
    pub fn event_counts(&self) -> EventCounts {
        // Faults are read first, so that they never exceed the events: each event is counted before it fails.
        let faults = FaultKind::ALL.into_iter().map(|kind| self.fault_count(kind)).sum();
        let events = self.events.iter().map(|count| count.load(Ordering::Relaxed)).sum();
        EventCounts { events, faults }
    }

    /// The number of faults of a kind.
    pub fn fault_count(&self, kind: FaultKind) -> u64 {
        self.faults_by_kind[kind as usize].load(Ordering::Relaxed)
    }

    /// The durations of calls.
    pub fn call_durations(&self) -> &Histogram {
        &self.call_durations
    }

    /// Waits for the next fault. Returns at once if a fault has occurred since the last wait.
    pub async fn wait_for_fault(&self) {
        self.fault_notify.notified().await;
    }
}
