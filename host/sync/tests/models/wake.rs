//! What wakes a connection's task. The task looks, writes what is queued, and rests; others queue, or have something to
//! tell. It must never rest while something waits for it and nobody wakes it.

use std::collections::VecDeque;
use std::sync::Arc as StdArc;
use std::task::{Context, Wake, Waker};

use loom::sync::atomic::{AtomicBool, Ordering};
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;
use narrowboat_sync::Watched;

#[derive(Default)]
struct State {
    queue: VecDeque<u8>,
    asked: bool,
}

/// The task's thread sleeps until it is woken, as a runtime has it.
#[derive(Default)]
struct Alarm {
    woken: Mutex<bool>,
    changed: Condvar,
}

impl Alarm {
    fn sleep(&self) {
        let mut woken = self.woken.lock().unwrap();
        while !std::mem::take(&mut *woken) {
            woken = self.changed.wait(woken).unwrap();
        }
    }
}

struct Task(Arc<Alarm>);

impl Wake for Task {
    fn wake(self: StdArc<Self>) {
        *self.0.woken.lock().unwrap() = true;
        self.0.changed.notify_one();
    }
}

/// As `Outbound::push`.
fn push(watched: &Watched<State>, item: u8) {
    let mut state = watched.lock();
    state.queue.push_back(item);
    wake(state.wake());
}

/// As `Outbound::close`, `stop`, `summon` and `nudge`.
fn ask(watched: &Watched<State>) {
    let mut state = watched.lock();
    state.asked = true;
    state.note();
    wake(state.wake());
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// A connection's task until it has written `items` and has been told: as `Connection::look` and `poll_write` take turns.
fn follow(watched: &Watched<State>, items: usize, asks: bool) {
    let alarm = Arc::new(Alarm::default());
    let waker = Waker::from(StdArc::new(Task(Arc::clone(&alarm))));
    let (mut written, mut told) = (0, false);
    loop {
        let mut state = watched.lock();
        told |= std::mem::take(&mut state.asked);
        state.look(false);
        drop(state);
        loop {
            let mut state = watched.lock();
            if state.queue.pop_front().is_none() {
                state.rest(&Context::from_waker(&waker));
                break;
            }
            written += 1;
        }
        if written == items && told == asks {
            return;
        }
        // A wake-up that was lost leaves it here for ever, which loom reports as a deadlock.
        alarm.sleep();
    }
}

#[test]
fn a_task_that_rests_is_woken_for_what_is_queued() {
    loom::model(|| {
        let watched = Arc::new(Watched::new(State::default()));
        let others: Vec<_> = (0..2)
            .map(|item| {
                let watched = Arc::clone(&watched);
                thread::spawn(move || push(&watched, item))
            })
            .collect();
        follow(&watched, 2, false);
        others.into_iter().for_each(|other| other.join().unwrap());
    });
}

#[test]
fn a_task_is_told_what_is_asked_between_its_look_and_its_rest() {
    loom::model(|| {
        let watched = Arc::new(Watched::new(State::default()));
        let other = {
            let watched = Arc::clone(&watched);
            thread::spawn(move || {
                push(&watched, 1);
                ask(&watched);
            })
        };
        follow(&watched, 1, true);
        other.join().unwrap();
    });
}

#[test]
fn who_queues_for_a_task_that_is_awake_does_not_wake_it() {
    loom::model(|| {
        let watched = Arc::new(Watched::new(State::default()));
        watched.lock().look(false);
        let woke = Arc::new(AtomicBool::new(false));
        let other = {
            let (watched, woke) = (Arc::clone(&watched), Arc::clone(&woke));
            thread::spawn(move || {
                let mut state = watched.lock();
                state.queue.push_back(1);
                woke.store(state.wake().is_some(), Ordering::Relaxed);
            })
        };
        other.join().unwrap();
        assert!(!woke.load(Ordering::Relaxed));
        assert_eq!(watched.lock().queue.len(), 1);
    });
}
