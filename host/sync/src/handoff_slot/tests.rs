use std::panic::{AssertUnwindSafe, catch_unwind};

use super::*;

/// A slot in which a task has panicked.
fn poisoned_slot() -> HandoffSlot<u8> {
    let slot = HandoffSlot::<u8>::default();
    slot.park(7);
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let HandoffEntry::Entered(_content) = slot.try_enter() else { return };
        panic!("the test poisons the slot");
    }));
    assert!(panicked.is_err());
    slot
}

#[test]
fn a_slot_in_which_a_task_panicked_is_poisoned_and_not_busy() {
    let slot = poisoned_slot();
    assert!(matches!(slot.try_enter(), HandoffEntry::Poisoned));
}

#[test]
fn the_owner_drains_the_queue_of_a_poisoned_slot() {
    let slot = poisoned_slot();
    let queue = HandoffQueue::default();
    queue.try_reserve(1).unwrap().send(1);
    let refuse = |_: &mut u8, _| unreachable!("a poisoned slot cannot be entered");
    assert_eq!(slot.serve(&queue, 64, || (), |_| true, refuse), NextDrainer::Owner);
    assert_eq!(queue.pop(), Some(1));
}

#[test]
fn the_owner_reclaims_a_poisoned_value_and_learns_that_it_is() {
    let reclaimed = poisoned_slot().try_reclaim().unwrap();
    assert_eq!((reclaimed.content, reclaimed.is_poisoned), (7, true));
}

#[test]
fn a_closed_queue_refuses_events_and_drops_the_queued_ones() {
    let queue = HandoffQueue::default();
    queue.try_reserve(1).unwrap().send(1);
    assert!(queue.try_reserve(1).is_none(), "it is full");
    queue.close();
    assert_eq!(queue.pop(), None);
    assert!(queue.try_reserve(1).is_none());
}
