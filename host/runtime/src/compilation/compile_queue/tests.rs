use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::*;

/// The limit for every wait. It is long enough for a busy machine.
const DEADLINE: Duration = Duration::from_secs(20);

fn tenant(name: &str) -> CompileOwner {
    CompileOwner::Tenant(name.parse().unwrap())
}

/// A queue with a compilation of the tenant `running`, and the names of those that have had their turn.
struct BusyQueue {
    queue: CompileQueue,
    running: Option<CompileTurn>,
    done: (std::sync::mpsc::Sender<String>, Receiver<String>),
    threads: Vec<JoinHandle<()>>,
}

impl BusyQueue {
    fn new(running: &str) -> Self {
        let queue = CompileQueue::default();
        let turn = queue.wait_for_turn(&tenant(running), &LoadCancellation::default());
        Self { queue, running: Some(turn.unwrap()), done: channel(), threads: Vec::new() }
    }

    fn waiting_count(&self) -> usize {
        let turns = self.queue.lock();
        turns.running.iter().chain(&turns.waiting).map(|owner| owner.compilations.len()).sum()
    }

    /// Adds a compilation, and waits until it is in the queue.
    fn add(&mut self, owner: CompileOwner, name: &str) -> LoadCancellation {
        let (queue, done, name) = (self.queue.clone(), self.done.0.clone(), name.to_owned());
        let cancellation = LoadCancellation::default();
        let (count, its_own) = (self.waiting_count(), cancellation.clone());
        self.threads.push(std::thread::spawn(move || {
            if let Some(_turn) = queue.wait_for_turn(&owner, &its_own) {
                done.send(name).unwrap();
            }
        }));
        self.wait_for_count(count + 1);
        cancellation
    }

    fn wait_for_count(&self, count: usize) {
        let end = Instant::now() + DEADLINE;
        while self.waiting_count() != count {
            assert!(Instant::now() < end, "{} wait, not {count}", self.waiting_count());
            std::thread::yield_now();
        }
    }

    /// Ends the running compilation, and returns the others in the order of their turns.
    fn finish(mut self) -> Vec<String> {
        drop(self.running.take());
        for thread in self.threads.drain(..) {
            thread.join().unwrap();
        }
        drop(self.done.0);
        self.done.1.into_iter().collect()
    }
}

#[test]
fn a_tenant_with_many_components_delays_another_by_the_one_that_runs() {
    let mut queue = BusyQueue::new("acme");
    for number in 0..3 {
        queue.add(tenant("acme"), &format!("acme-{number}"));
    }
    queue.add(tenant("bolt"), "bolt");
    assert_eq!(queue.finish(), ["bolt", "acme-0", "acme-1", "acme-2"]);
}

#[test]
fn owners_take_turns() {
    let mut queue = BusyQueue::new("acme");
    for name in ["acme-0", "acme-1"] {
        queue.add(tenant("acme"), name);
    }
    for name in ["bolt-0", "bolt-1"] {
        queue.add(tenant("bolt"), name);
    }
    queue.add(CompileOwner::Host, "python");
    assert_eq!(queue.finish(), ["bolt-0", "python", "acme-0", "bolt-1", "acme-1"]);
}

#[test]
fn a_cancelled_compilation_gives_its_place_up() {
    let mut queue = BusyQueue::new("acme");
    let cancellation = queue.add(tenant("bolt"), "cancelled");
    queue.add(tenant("bolt"), "kept");
    drop(cancellation.cancel_on_drop());
    queue.wait_for_count(1);
    assert_eq!(queue.finish(), ["kept"]);
}

#[test]
fn a_load_that_is_cancelled_before_it_waits_gets_no_turn() {
    let queue = CompileQueue::default();
    let cancellation = LoadCancellation::default();
    drop(cancellation.cancel_on_drop());
    assert!(queue.wait_for_turn(&tenant("acme"), &cancellation).is_none());
    assert!(queue.wait_for_turn(&tenant("bolt"), &LoadCancellation::default()).is_some());
}
