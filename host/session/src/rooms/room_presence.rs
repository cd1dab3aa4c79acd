//! The visitors of a room, and figures about it for operators.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use tokio::time::Instant;

use narrowboat_core::room_name::RoomName;
use narrowboat_runtime::RoomLink;

/// The visitors of a room that is awake, and figures about it for operators.
#[derive(Debug)]
pub(crate) struct RoomPresence {
    /// The room as its instance knows it.
    pub(crate) link: Arc<RoomLink>,
    visitors: AtomicUsize,
    /// Whether the room has had a visitor since it woke.
    was_visited: AtomicBool,
    /// When the room woke.
    pub(super) awake_since: Instant,
    /// The memory of the instance, in bytes, when its task looked last.
    pub(crate) memory_bytes: AtomicU64,
    /// The state that was saved or restored last, in bytes.
    pub(crate) state_bytes: AtomicU64,
}

/// A visitor of a room. Dropping it leaves the room.
#[derive(Debug)]
pub(crate) struct RoomVisit(Arc<RoomPresence>);

impl RoomPresence {
    /// A room that wakes now, without visitors.
    pub(super) fn new(name: RoomName) -> Self {
        Self {
            link: Arc::new(RoomLink::new(name)),
            visitors: AtomicUsize::new(0),
            was_visited: AtomicBool::new(false),
            awake_since: Instant::now(),
            memory_bytes: AtomicU64::new(0),
            state_bytes: AtomicU64::new(0),
        }
    }

    /// The number of visitors.
    pub(super) fn visitors(&self) -> usize {
        self.visitors.load(Ordering::SeqCst)
    }

    /// Whether the room has no visitors.
    pub(crate) fn is_empty(&self) -> bool {
        self.visitors() == 0
    }

    /// Whether the room has had a visitor since it woke. It has not if an alarm woke it.
    pub(crate) fn was_visited(&self) -> bool {
        self.was_visited.load(Ordering::SeqCst)
    }

    /// Waits until the first visitor has come or the last one has left, or [`RoomPresence::notify`] is called. One that
    /// happened before this is not missed.
    pub(crate) async fn wait_for_change(&self) {
        self.link.wait_for_change().await;
    }

    /// Lets the owner of the room look at it again.
    pub(crate) fn notify(&self) {
        self.link.notify();
    }
}

impl RoomVisit {
    pub(super) fn new(presence: &Arc<RoomPresence>) -> Self {
        presence.was_visited.store(true, Ordering::SeqCst);
        if presence.visitors.fetch_add(1, Ordering::SeqCst) == 0 {
            presence.notify();
        }
        Self(Arc::clone(presence))
    }
}

impl Drop for RoomVisit {
    fn drop(&mut self) {
        if self.0.visitors.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.notify();
        }
    }
}
