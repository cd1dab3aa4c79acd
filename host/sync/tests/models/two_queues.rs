//! Models of a slot with two queues: the calls of sessions that found the slot busy, and the turns of members whose
//! sessions rest. A call may queue a turn. Whoever has been in the slot looks at both queues afterwards.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use loom::thread;
use narrowboat_sync::{HandoffEntry, HandoffQueue, HandoffSlot, NextDrainer};

const LIMIT: usize = 4;

/// Whether a call queues a turn, as a consumer that sends to a group does.
#[derive(Clone, Copy)]
enum Call {
    Silent,
    QueuesTurn,
}

struct Turn;

/// A shared instance, and whether its owner was notified.
#[derive(Default)]
struct Shared {
    slot: HandoffSlot<()>,
    calls: HandoffQueue<Call>,
    turns: HandoffQueue<Turn>,
    is_owner_notified: AtomicBool,
    applied: AtomicUsize,
}

impl Shared {
    /// Makes a call as a session does: `SharedInstance::call`, and `SharedInstance::drain_turns` at the end.
    fn call(&self, call: Call) {
        match self.slot.try_enter() {
            HandoffEntry::Entered(_content) => self.apply(call),
            _ => {
                if let Some(permit) = self.calls.try_reserve(LIMIT) {
                    permit.send(call);
                }
            }
        }
        self.notify_if_owner(self.drain_calls());
        self.notify_if_owner(self.drain());
    }

    fn apply(&self, call: Call) {
        self.applied.fetch_add(1, Ordering::Relaxed);
        if let Call::QueuesTurn = call {
            self.queue_turn();
        }
    }

    /// Queues a turn: `SharedInstance::queue_turn`.
    fn queue_turn(&self) {
        if let Some(permit) = self.turns.try_reserve(LIMIT) {
            permit.send(Turn);
        }
        let drainer = self.slot.serve(&self.turns, 0, || (), |()| true, |(), _| {});
        let leaves_calls = drainer == NextDrainer::Nobody && self.slot.has_waiting(&self.calls);
        self.notify_if_owner(if leaves_calls { NextDrainer::Owner } else { drainer });
    }

    fn drain_calls(&self) -> NextDrainer {
        self.slot.serve(&self.calls, LIMIT, || (), |()| true, |(), call| self.apply(call))
    }

    fn drain_turns(&self) -> NextDrainer {
        let apply = |(): &mut (), _| {
            self.applied.fetch_add(1, Ordering::Relaxed);
        };
        self.slot.serve(&self.turns, LIMIT, || (), |()| true, apply)
    }

    /// Drains both queues: `InstanceSlot::drain`.
    fn drain(&self) -> NextDrainer {
        while self.slot.has_waiting(&self.turns) || !self.calls.is_empty() {
            for drain in [Self::drain_turns, Self::drain_calls] {
                match drain(self) {
                    NextDrainer::Nobody => {}
                    drainer => return drainer,
                }
            }
        }
        NextDrainer::Nobody
    }

    fn notify_if_owner(&self, drainer: NextDrainer) {
        if drainer == NextDrainer::Owner {
            self.is_owner_notified.store(true, Ordering::Relaxed);
        }
    }

    /// The calls and turns that were applied, by a thread or by the owner if it was notified.
    fn applied(&self) -> usize {
        if self.is_owner_notified.load(Ordering::Relaxed) {
            while let Some(call) = self.calls.pop() {
                self.apply(call);
            }
            while self.turns.pop().is_some() {
                self.applied.fetch_add(1, Ordering::Relaxed);
            }
        }
        self.applied.load(Ordering::Relaxed)
    }
}

/// Runs two parts of a model on two threads. Returns what was applied.
fn applied_by_both(one: fn(&Shared), other: fn(&Shared)) -> usize {
    let shared = Arc::new(Shared::default());
    let thread = {
        let shared = Arc::clone(&shared);
        thread::spawn(move || other(&shared))
    };
    one(&shared);
    thread.join().unwrap();
    shared.applied()
}

#[test]
fn a_turn_that_a_queued_call_has_queued_is_taken() {
    loom::model(|| {
        let call: fn(&Shared) = |shared| shared.call(Call::QueuesTurn);
        assert_eq!(applied_by_both(call, call), 4, "a call or a turn is left");
    });
}

#[test]
fn a_call_that_finds_a_thread_that_only_queues_a_turn_is_made() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(4);
    model.check(|| {
        let applied = applied_by_both(
            |shared| {
                shared.call(Call::Silent);
                shared.call(Call::Silent);
            },
            Shared::queue_turn,
        );
        assert_eq!(applied, 3, "a call or a turn is left");
    });
}
