use std::task::{Context, Poll, Waker};

use super::{LoanSlot, TakenBack};

fn take_back(slot: &LoanSlot<u8>) -> Poll<TakenBack<u8>> {
    slot.poll_take_back(&Context::from_waker(Waker::noop()))
}

#[test]
fn one_task_at_a_time_borrows_a_lent_value() {
    let slot = LoanSlot::default();
    assert!(slot.try_borrow().is_none());
    slot.lend(1);
    let mut loan = slot.try_borrow().unwrap();
    assert!(slot.try_borrow().is_none());
    *loan = 2;
    assert_eq!(loan.give_back(), None);
    assert_eq!(take_back(&slot), Poll::Ready(TakenBack::Value(2)));
    assert!(slot.try_borrow().is_none());
    assert_eq!(take_back(&slot), Poll::Ready(TakenBack::NotLent));
}

#[test]
fn a_value_that_is_held_goes_to_its_owner() {
    let slot = LoanSlot::default();
    slot.lend(1);
    assert_eq!(slot.try_borrow().unwrap().give_back_held(), None);
    assert!(slot.try_borrow().is_none());
    assert_eq!(take_back(&slot), Poll::Ready(TakenBack::Value(1)));
}

#[test]
fn an_owner_that_waits_gets_the_value_before_others() {
    let slot = LoanSlot::default();
    slot.lend(1);
    let loan = slot.try_borrow().unwrap();
    assert_eq!(take_back(&slot), Poll::Pending);
    assert_eq!(loan.give_back(), None);
    assert!(slot.try_borrow().is_none());
    assert_eq!(take_back(&slot), Poll::Ready(TakenBack::Value(1)));
}

#[test]
fn the_owner_learns_of_a_lost_value_once() {
    let slot = LoanSlot::default();
    slot.lend(1);
    drop(slot.try_borrow());
    assert_eq!(take_back(&slot), Poll::Ready(TakenBack::Lost));
    assert_eq!(take_back(&slot), Poll::Ready(TakenBack::NotLent));
}

#[test]
fn a_closed_slot_returns_its_value_or_leaves_it_to_the_borrower() {
    let slot = LoanSlot::default();
    slot.lend(1);
    assert_eq!(slot.close(), Some(1));
    let slot = LoanSlot::default();
    slot.lend(1);
    let loan = slot.try_borrow().unwrap();
    assert_eq!(slot.close(), None);
    assert_eq!(loan.give_back(), Some(1));
    assert!(slot.try_borrow().is_none());
}
