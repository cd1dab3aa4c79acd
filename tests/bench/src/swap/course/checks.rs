//! What must be so after a swap.

use super::super::hostlog::Told;
use super::super::ledger::Ledger;
use super::super::version::{Kind, Made};

/// How a change of the file ended, by the log.
#[derive(Default)]
pub(super) struct Ended {
    /// The version became live.
    pub(super) live: Option<Told>,
    /// The verdict, or the roll-back.
    pub(super) last: Option<Told>,
    /// Events that were undone.
    pub(super) undone: u64,
}

/// Whether a line is the last that a kind of version is to bring about.
pub(super) fn is_last(kind: Kind, told: &Told) -> bool {
    match told {
        Told::Refused(_) | Told::TakenBack { .. } => true,
        Told::Live { .. } => kind != Kind::Traps,
        Told::WentBack { .. } | Told::Complaint(_) => false,
    }
}

/// Holds what clients saw against what the log says.
pub(super) fn check(ledger: &mut Ledger, kind: Kind, made: &Made, ended: &Ended) {
    let (name, clients) = (&made.name, ledger.pages.len() as u64);
    let on_it = ledger.on_version(name);
    let expected = match (&ended.last, kind) {
        (Some(Told::Live { stay, .. }), Kind::Good | Kind::FailsSome) => clients - stay,
        (Some(Told::Refused(_)), Kind::Good) => clients,
        (Some(Told::TakenBack { .. }), Kind::Traps) | (Some(Told::Refused(_)), _) => 0,
        (other, _) => {
            ledger.violate(|| format!("{name}, which is {kind:?}, ended so: {other:?}"));
            return;
        }
    };
    if on_it != expected {
        ledger.violate(|| format!("{on_it} clients are on {name} ({kind:?}), not {expected}"));
    }
    if ledger.undone != ended.undone {
        let (undone, told) = (ledger.undone, ended.undone);
        ledger.violate(|| format!("{name}: {undone} events were undone, the log says {told}"));
    }
}
