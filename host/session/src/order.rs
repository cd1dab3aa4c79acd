//! What a swap asks of those who own instances: a session of its own, a task of a shared one.

use std::sync::Arc;

use tokio::sync::oneshot;

use narrowboat_runtime::{MoveError, Outcome, Sample, Version};

/// Carried out between two events. Whoever is gone by then drops it, which the swap sees.
pub(super) enum Order {
    /// To give what a trial of another version needs.
    Sample(oneshot::Sender<Result<Sample, MoveError>>),
    /// To go to another version.
    Move(MoveOrder),
}

/// An order to go to another version.
pub(super) struct MoveOrder {
    pub(super) to: Arc<Version>,
    pub(super) direction: Direction,
    pub(super) done: oneshot::Sender<Moving>,
}

/// Which way a swap goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// To a newer version, with the state of now.
    On,
    /// To the version before, with the state it was left with.
    Back,
}

/// What became of one order to move.
#[derive(Debug, Default)]
pub(super) struct Moving {
    pub(super) outcome: Outcome,
    /// Why not everyone moved.
    pub(super) why: Option<MoveError>,
}

impl Moving {
    pub(super) fn stayed(count: u64, why: MoveError) -> Self {
        Self { outcome: Outcome { stayed: count, ..Outcome::default() }, why: Some(why) }
    }
}
