//! What must be so after a swap.

use super::super::delivery_tracker::DeliveryTracker;
use super::super::host_log::HostLogEvent;
use super::super::version::{TestVersion, VersionKind};

/// How a change of the file ended, by the log.
#[derive(Default)]
pub(super) struct SwapLogEvents {
    /// The version became live.
    pub(super) live_event: Option<HostLogEvent>,
    /// The verdict, or the roll-back.
    pub(super) final_event: Option<HostLogEvent>,
    /// Events that were undone.
    pub(super) lost_events: u64,
}

/// Whether a line is the last that a kind of version is to bring about.
pub(super) fn is_final(kind: VersionKind, told: &HostLogEvent) -> bool {
    match told {
        HostLogEvent::Rejected(_) | HostLogEvent::VersionRolledBack { .. } => true,
        HostLogEvent::Live { .. } => kind != VersionKind::Traps,
        HostLogEvent::InstanceRolledBack { .. } | HostLogEvent::Warning(_) => false,
    }
}

/// Holds what clients saw against what the log says.
pub(super) fn check_swap(
    ledger: &mut DeliveryTracker,
    kind: VersionKind,
    made: &TestVersion,
    ended: &SwapLogEvents,
) {
    let (name, clients) = (&made.name, ledger.clients.len() as u64);
    let on_it = ledger.client_count_on_version(name);
    let expected = match (&ended.final_event, kind) {
        (Some(HostLogEvent::Live { stay, .. }), VersionKind::Good | VersionKind::FailsSome) => {
            clients - stay
        }
        (Some(HostLogEvent::Rejected(_)), VersionKind::Good) => clients,
        (Some(HostLogEvent::VersionRolledBack { .. }), VersionKind::Traps)
        | (Some(HostLogEvent::Rejected(_)), _) => 0,
        (other, _) => {
            ledger.record_violation(|| format!("{name}, which is {kind:?}, ended so: {other:?}"));
            return;
        }
    };
    if on_it != expected {
        ledger.record_violation(|| {
            format!("{on_it} clients are on {name} ({kind:?}), not {expected}")
        });
    }
    if ledger.lost_events != ended.lost_events {
        let (undone, told) = (ledger.lost_events, ended.lost_events);
        ledger.record_violation(|| {
            format!("{name}: {undone} events were undone, the log says {told}")
        });
    }
}
