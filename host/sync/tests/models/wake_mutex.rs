//! Models of the wake-up of a connection's task. The task polls the state, writes the queued items and parks; other
//! threads queue items or signal the task. The task must never stay parked while an item or a signal waits for it.

use std::collections::VecDeque;
use std::sync::Arc as StdArc;
use std::task::{Context, Wake, Waker};

use loom::sync::atomic::{AtomicBool, Ordering};
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;
use narrowboat_sync::WakeMutex;

#[derive(Default)]
struct State {
    queue: VecDeque<u8>,
    has_signal: bool,
}

/// Lets the task's thread sleep until it is woken, as a runtime does.
#[derive(Default)]
struct ThreadParker {
    is_woken: Mutex<bool>,
    changed: Condvar,
}

impl ThreadParker {
    fn sleep(&self) {
        let mut is_woken = self.is_woken.lock().unwrap();
        while !std::mem::take(&mut *is_woken) {
            is_woken = self.changed.wait(is_woken).unwrap();
        }
    }
}

struct Task(Arc<ThreadParker>);

impl Wake for Task {
    fn wake(self: StdArc<Self>) {
        *self.0.is_woken.lock().unwrap() = true;
        self.0.changed.notify_one();
    }
}

/// Queues an item, as the outbound queue does.
fn push(mutex: &WakeMutex<State>, item: u8) {
    let mut state = mutex.lock();
    state.queue.push_back(item);
    wake(state.unlock_and_take_waker());
}

/// Signals the task, as a request to close or to stop does.
fn signal(mutex: &WakeMutex<State>) {
    let mut state = mutex.lock();
    state.has_signal = true;
    state.mark_dirty();
    wake(state.unlock_and_take_waker());
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// Runs a connection's task until it has written `items` and, if `expects_signal`, has seen the signal.
fn run_task(mutex: &WakeMutex<State>, items: usize, expects_signal: bool) {
    let parker = Arc::new(ThreadParker::default());
    let waker = Waker::from(StdArc::new(Task(Arc::clone(&parker))));
    let (mut written, mut saw_signal) = (0, false);
    loop {
        let mut state = mutex.lock();
        saw_signal |= std::mem::take(&mut state.has_signal);
        state.begin_poll(false);
        drop(state);
        loop {
            let mut state = mutex.lock();
            if state.queue.pop_front().is_none() {
                state.park(&Context::from_waker(&waker));
                break;
            }
            written += 1;
        }
        if written == items && saw_signal == expects_signal {
            return;
        }
        // A lost wake-up leaves the thread here for ever, which loom reports as a deadlock.
        parker.sleep();
    }
}

#[test]
fn a_parked_task_is_woken_for_queued_items() {
    loom::model(|| {
        let mutex = Arc::new(WakeMutex::new(State::default()));
        let others: Vec<_> = (0..2)
            .map(|item| {
                let mutex = Arc::clone(&mutex);
                thread::spawn(move || push(&mutex, item))
            })
            .collect();
        run_task(&mutex, 2, false);
        others.into_iter().for_each(|other| other.join().unwrap());
    });
}

#[test]
fn a_task_sees_a_signal_that_arrives_between_its_poll_and_its_park() {
    loom::model(|| {
        let mutex = Arc::new(WakeMutex::new(State::default()));
        let other = {
            let mutex = Arc::clone(&mutex);
            thread::spawn(move || {
                push(&mutex, 1);
                signal(&mutex);
            })
        };
        run_task(&mutex, 1, true);
        other.join().unwrap();
    });
}

#[test]
fn queueing_for_a_running_task_does_not_wake_it() {
    loom::model(|| {
        let mutex = Arc::new(WakeMutex::new(State::default()));
        mutex.lock().begin_poll(false);
        let woke = Arc::new(AtomicBool::new(false));
        let other = {
            let (mutex, woke) = (Arc::clone(&mutex), Arc::clone(&woke));
            thread::spawn(move || {
                let mut state = mutex.lock();
                state.queue.push_back(1);
                woke.store(state.unlock_and_take_waker().is_some(), Ordering::Relaxed);
            })
        };
        other.join().unwrap();
        assert!(!woke.load(Ordering::Relaxed));
        assert_eq!(mutex.lock().queue.len(), 1);
    });
}

/// Queues an item without a wake-up if the task is parked, and writes it later unless the task runs by then.
fn push_and_flush(mutex: &WakeMutex<State>, item: u8) {
    let mut state = mutex.lock();
    state.queue.push_back(item);
    if !state.is_parked() {
        wake(state.unlock_and_take_waker());
        return;
    }
    drop(state);
    let mut state = mutex.lock();
    if state.is_parked() {
        state.queue.clear();
    }
}

#[test]
fn a_deferred_item_is_written_by_its_sender_or_by_the_running_task() {
    loom::model(|| {
        let mutex = Arc::new(WakeMutex::new(State::default()));
        let sender = {
            let mutex = Arc::clone(&mutex);
            thread::spawn(move || push_and_flush(&mutex, 1))
        };
        mutex.lock().begin_poll(false);
        let mut state = mutex.lock();
        state.queue.clear();
        state.park(&Context::from_waker(Waker::noop()));
        sender.join().unwrap();
        assert!(mutex.lock().queue.is_empty());
    });
}

#[test]
fn a_task_that_resumes_needs_no_wake_up_and_parks_again() {
    loom::model(|| {
        let mutex = Arc::new(WakeMutex::new(State::default()));
        let other = {
            let mutex = Arc::clone(&mutex);
            thread::spawn(move || push(&mutex, 1))
        };
        // The task has parked, and finds other work in the same poll.
        let parker = Arc::new(ThreadParker::default());
        let waker = Waker::from(StdArc::new(Task(Arc::clone(&parker))));
        mutex.lock().park(&Context::from_waker(&waker));
        mutex.lock().resume();
        run_task(&mutex, 1, false);
        other.join().unwrap();
    });
}
