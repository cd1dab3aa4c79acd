//! Counters that many threads change at the same time.

use std::cell::Cell;
use std::fmt;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::available_parallelism;

/// The largest number of stripes. More threads share stripes.
const MAX_STRIPES: usize = 8;

/// The number of stripes: one for each core, as far as there are so many.
static STRIPE_COUNT: LazyLock<usize> = LazyLock::new(|| {
    available_parallelism().map_or(1, usize::from).next_power_of_two().min(MAX_STRIPES)
});

static NEXT_THREAD: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static THREAD_INDEX: Cell<usize> =
        Cell::new(NEXT_THREAD.fetch_add(1, Ordering::Relaxed));
}

/// A value for each of several groups of threads, so that threads on different cores do not write to the same line of
/// cache. A reader adds the values up.
pub struct Striped<T>(Box<[CacheLine<T>]>);

/// A value in cache lines of its own. Two lines of 64 bytes, because processors fetch them in pairs.
#[derive(Default)]
#[repr(align(128))]
struct CacheLine<T>(T);

impl<T: Default> Default for Striped<T> {
    fn default() -> Self {
        Self((0..*STRIPE_COUNT).map(|_| CacheLine::default()).collect())
    }
}

impl<T> Striped<T> {
    /// Returns the value of this thread's group.
    pub fn local(&self) -> &T {
        let index = THREAD_INDEX.get() & (self.0.len() - 1);
        &self.0[index].0
    }

    /// Returns the values of all groups.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|line| &line.0)
    }
}

impl<T: fmt::Debug> fmt::Debug for Striped<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use super::*;

    #[test]
    fn the_sum_has_what_all_threads_have_counted() {
        let counter = Striped::<AtomicU64>::default();
        std::thread::scope(|scope| {
            for _ in 0..10 {
                scope.spawn(|| {
                    (0..1_000).for_each(|_| {
                        counter.local().fetch_add(1, Ordering::Relaxed);
                    });
                });
            }
        });
        let sum: u64 = counter.iter().map(|count| count.load(Ordering::Relaxed)).sum();
        assert_eq!(sum, 10_000);
    }
}
