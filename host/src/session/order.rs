//! What a swap asks of those who own instances: a session of its own, a task of a shared one.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::config::FailedMove;
use crate::plugin::{
    Ahead, Effect, Instance, Left, MoveError, Outcome, Sample, Transfer, Version, Way, transfer,
};

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

/// What is left to do when an instance has moved.
pub(super) struct Moved {
    pub(super) effects: Vec<Effect>,
    pub(super) left: Left,
    pub(super) outcome: Outcome,
    /// The instance that was left, to be dropped.
    pub(super) old: Box<Instance>,
}

/// Where the state comes from.
pub(super) enum Origin {
    /// The running instance, some of whose consumers may have been saved ahead.
    Now(Ahead),
    /// What it left the version before with.
    Left(Left),
}

/// Moves an instance. The one that goes on comes back: a new one, or the old one if nobody moved.
pub(super) fn move_instance(
    mut old: Box<Instance>,
    to: Arc<Version>,
    mut from: Origin,
    policy: FailedMove,
) -> (Result<Moved, MoveError>, Box<Instance>) {
    let way = match &mut from {
        Origin::Now(ahead) => Way::On(std::mem::take(ahead)),
        Origin::Left(left) => Way::Back(left),
    };
    match transfer(&mut old, to, way, policy) {
        Ok(Transfer { instance, effects, left, outcome }) => {
            (Ok(Moved { effects, left, outcome, old }), instance)
        }
        Err(why) => (Err(why), old),
    }
}
