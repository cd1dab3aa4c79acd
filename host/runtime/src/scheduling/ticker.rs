//! The clock for the time limits of guests: one tick for each millisecond while a guest runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use narrowboat_core::striped::Striped;

/// The length of a tick. The time limits of calls are counted in ticks.
pub(crate) const TICK: Duration = Duration::from_millis(1);

/// Ticks without a call after which the thread sleeps.
const IDLE_TICKS: u32 = 20;

/// A thread that ticks while guests run and sleeps otherwise.
pub(crate) struct Ticker {
    shared: Arc<TickerState>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct TickerState {
    /// Calls that have started. The thread compares their sum with the last value, so that a call only costs an addition.
    calls_begun: Striped<AtomicU64>,
    /// Calls that have ended.
    calls_ended: Striped<AtomicU64>,
    is_asleep: AtomicBool,
    stop: AtomicBool,
}

/// Marks a guest as running until it is dropped.
pub(crate) struct TickerGuard<'a>(&'a TickerState);

impl Ticker {
    /// Starts the thread, which calls `tick` on each tick.
    ///
    /// # Errors
    /// If the system refuses the thread.
    pub(crate) fn start(tick: impl Fn() + Send + 'static) -> std::io::Result<Self> {
        let shared = Arc::new(TickerState::default());
        let thread = thread::Builder::new().name("ticker".to_owned()).spawn({
            let shared = Arc::clone(&shared);
            move || shared.run_loop(tick)
        })?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Marks a guest as running, and wakes the thread if it sleeps.
    pub(crate) fn begin_call(&self) -> TickerGuard<'_> {
        // Sequentially consistent with `park_until_call`: either this call sees that the thread sleeps, or the thread
        // sees this call.
        self.shared.calls_begun.local().fetch_add(1, Ordering::SeqCst);
        if self.shared.is_asleep.load(Ordering::SeqCst) {
            self.wake();
        }
        TickerGuard(&self.shared)
    }

    fn wake(&self) {
        self.shared.is_asleep.store(false, Ordering::SeqCst);
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }
}

impl TickerState {
    fn run_loop(&self, tick: impl Fn()) {
        let mut seen = 0;
        let mut idle = 0;
        while !self.stop.load(Ordering::SeqCst) {
            thread::sleep(TICK);
            tick();
            let begun = sum(&self.calls_begun);
            let running = begun != sum(&self.calls_ended);
            idle = if running || begun != seen { 0 } else { idle + 1 };
            seen = begun;
            if idle > IDLE_TICKS {
                self.park_until_call(seen);
                idle = 0;
            }
        }
    }

    fn park_until_call(&self, seen: u64) {
        self.is_asleep.store(true, Ordering::SeqCst);
        while self.is_asleep.load(Ordering::SeqCst)
            && sum(&self.calls_begun) == seen
            && !self.stop.load(Ordering::SeqCst)
        {
            thread::park();
        }
        self.is_asleep.store(false, Ordering::SeqCst);
    }
}

fn sum(counter: &Striped<AtomicU64>) -> u64 {
    counter.iter().map(|count| count.load(Ordering::SeqCst)).sum()
}

impl Drop for TickerGuard<'_> {
    fn drop(&mut self) {
        self.0.calls_ended.local().fetch_add(1, Ordering::SeqCst);
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.wake();
        if let Some(thread) = self.thread.take() {
            // The panic hook has reported a panic of the thread.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    const DEADLINE: Duration = Duration::from_secs(10);

    #[test]
    fn the_ticker_ticks_while_a_guest_runs_and_again_after_sleeping() {
        let (send, ticks) = mpsc::channel();
        let ticker = Ticker::start(move || {
            let _ = send.send(());
        })
        .unwrap();
        for _ in 0..2 {
            while !ticker.shared.is_asleep.load(Ordering::SeqCst) {
                thread::yield_now();
            }
            while ticks.try_recv().is_ok() {}
            let running = ticker.begin_call();
            for _ in 0..IDLE_TICKS * 2 {
                ticks.recv_timeout(DEADLINE).unwrap();
            }
            drop(running);
        }
    }
}
