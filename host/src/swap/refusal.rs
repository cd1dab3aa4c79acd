//! Why a component does not become the live version.

use thiserror::Error;

use crate::capabilities::{Capabilities, on_top};
use crate::manifest::Isolation;
use crate::plugin::{Hash, LoadError, MoveError};
use crate::versions::ShelfError;

/// Why a component is not taken. The version before goes on untouched.
#[derive(Debug, Error)]
pub enum Refusal {
    /// It cannot be loaded.
    #[error(transparent)]
    Load(#[from] Box<LoadError>),
    /// It runs in another way than the running version.
    #[error(
        "it asks for isolation = {wanted:?}, and the plugin runs with {running:?}; restart the host \
         for that"
    )]
    Isolation {
        /// What the plugin runs with.
        running: Isolation,
        /// What the component asks for.
        wanted: Isolation,
    },
    /// It asks for more than the running version, and there is nowhere to wait for an approval.
    #[error(
        "it asks for more than the running version: {}; restart the host with it, or configure [versions], where it \
         can wait for an approval",
        on_top(&.0.words())
    )]
    Unapproved(Capabilities),
    /// It failed on a store of its own, with the state of a running instance.
    #[error("the trial failed: {0}")]
    Trial(MoveError),
    /// The consumers that share an instance did not all move, so nobody did.
    #[error("its consumers could not move: {0}")]
    Move(String),
    /// It was live and failed too often.
    #[error("version {} was taken back for its faults; offer other bytes", .0.short())]
    TakenBack(Hash),
    /// It cannot be kept, so that it would be lost with the process.
    #[error(transparent)]
    Unkept(ShelfError),
    /// Too many wait already.
    #[error("{0} versions wait to be tried; offer it again later")]
    Busy(usize),
    /// The system gave no thread to compile on, or the compiler panicked.
    #[error("it could not be compiled: no thread")]
    NoThread,
}
