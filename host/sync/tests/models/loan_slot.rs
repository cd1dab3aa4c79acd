//! Models of a value that its resting owner lends. An owner that waits for the value gets it, and no change is lost.

use std::sync::Arc as StdArc;
use std::task::{Context, Poll, Wake, Waker};

use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;
use narrowboat_sync::{Loan, LoanSlot, TakenBack};

/// Lets the owner's thread sleep until it is woken, as a runtime does.
#[derive(Default)]
struct ThreadParker {
    is_woken: Mutex<bool>,
    changed: Condvar,
}

struct Task(Arc<ThreadParker>);

impl Wake for Task {
    fn wake(self: StdArc<Self>) {
        *self.0.is_woken.lock().unwrap() = true;
        self.0.changed.notify_one();
    }
}

/// Takes the value back as a session does: sleeps while it is borrowed.
fn take_back(slot: &LoanSlot<u32>) -> TakenBack<u32> {
    let parker = Arc::new(ThreadParker::default());
    let waker = Waker::from(StdArc::new(Task(Arc::clone(&parker))));
    loop {
        if let Poll::Ready(taken) = slot.poll_take_back(&Context::from_waker(&waker)) {
            return taken;
        }
        let mut is_woken = parker.is_woken.lock().unwrap();
        while !std::mem::take(&mut *is_woken) {
            is_woken = parker.changed.wait(is_woken).unwrap();
        }
    }
}

/// Borrows the value, and adds to it. Returns what was added.
fn borrow_and_add(slot: &LoanSlot<u32>, number: u32) -> u32 {
    let Some(mut loan) = slot.try_borrow() else { return 0 };
    *loan += number;
    assert_eq!(loan.give_back(), None);
    number
}

#[test]
fn the_owner_gets_the_value_with_all_that_borrowers_have_changed() {
    loom::model(|| {
        let slot = Arc::new(LoanSlot::default());
        slot.lend(0);
        let others: Vec<_> = [1, 10]
            .map(|number| {
                let slot = Arc::clone(&slot);
                thread::spawn(move || borrow_and_add(&slot, number))
            })
            .into();
        let taken = take_back(&slot);
        let added = others.into_iter().map(|other| other.join().unwrap()).sum();
        assert_eq!(taken, TakenBack::Value(added));
    });
}

#[test]
fn a_closed_slot_leaves_the_value_to_exactly_one_party() {
    loom::model(|| {
        let slot = Arc::new(LoanSlot::default());
        slot.lend(7);
        let borrower = {
            let slot = Arc::clone(&slot);
            thread::spawn(move || slot.try_borrow().and_then(Loan::give_back))
        };
        let closed = slot.close();
        let left = borrower.join().unwrap();
        assert_eq!([closed, left].into_iter().flatten().collect::<Vec<_>>(), [7]);
    });
}
