//! The checks after a swap.

use super::super::delivery_tracker::DeliveryTracker;
use super::super::host_log::HostLogEvent;
use super::super::version::{TestVersion, VersionKind};

/// The end of a change of the file, according to the log.
#[derive(Default)]
pub(super) struct SwapLogEvents {
    /// The version became live.
    pub(super) live_event: Option<HostLogEvent>,
    /// The verdict or the rollback.
    pub(super) final_event: Option<HostLogEvent>,
    /// The number of events that were undone.
    pub(super) lost_events: u64,
}

/// Whether a line is the last one that a kind of version should cause.
pub(super) fn is_final(kind: VersionKind, event: &HostLogEvent) -> bool {
    match event {
        HostLogEvent::Rejected(_) | HostLogEvent::VersionRolledBack { .. } => true,
        HostLogEvent::Live { .. } => kind != VersionKind::Traps,
        HostLogEvent::InstanceRolledBack { .. } | HostLogEvent::Warning(_) => false,
    }
}

/// Compares the observations of clients with the log.
pub(super) fn check_swap(
    tracker: &mut DeliveryTracker,
    kind: VersionKind,
    made: &TestVersion,
    ended: &SwapLogEvents,
) {
    let (name, clients) = (&made.name, tracker.clients.len() as u64);
    let on_it = tracker.client_count_on_version(name);
    let expected = match (&ended.final_event, kind) {
        (Some(HostLogEvent::Live { stay, .. }), VersionKind::Good | VersionKind::FailsSome) => {
            clients - stay
        }
        (Some(HostLogEvent::Rejected(_)), VersionKind::Good) => clients,
        (Some(HostLogEvent::VersionRolledBack { .. }), VersionKind::Traps)
        | (Some(HostLogEvent::Rejected(_)), _) => 0,
        (other, _) => {
            tracker.record_violation(|| format!("{name}, which is {kind:?}, ended with {other:?}"));
            return;
        }
    };
    if on_it != expected {
        tracker.record_violation(|| {
            format!("{on_it} clients are on {name} ({kind:?}), not {expected}")
        });
    }
    if tracker.lost_events != ended.lost_events {
        let (undone, logged) = (tracker.lost_events, ended.lost_events);
        tracker.record_violation(|| {
            format!("{name}: {undone} events were undone, but the log says {logged}")
        });
    }
}
