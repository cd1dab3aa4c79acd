//! A wait of a guest on a clock that stands still, as that of the host of a test does.

use std::pin::pin;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::task::yield_now;
use tokio::time::advance;

/// The time that passes between two polls of the work. Other timers expire as exactly as this.
const STEP: Duration = Duration::from_millis(1);

/// How often the runtime runs its tasks before time passes, so that work that only needs the runtime, such as a response of the test,
/// takes no time.
const TURNS: usize = 100;

/// Lets time pass until `work` is ready, for at most `timeout`. Returns the time that has passed too.
pub(super) async fn wait<T>(
    timeout: Duration,
    work: impl Future<Output = T>,
) -> (Option<T>, Duration) {
    let mut work = pin!(work);
    for _ in 0..TURNS {
        if let Some(output) = work.as_mut().now_or_never() {
            return (Some(output), Duration::ZERO);
        }
        run_runtime().await;
    }
    let mut passed = Duration::ZERO;
    while passed < timeout {
        let step = STEP.min(timeout - passed);
        advance(step).await;
        passed += step;
        run_runtime().await;
        if let Some(output) = work.as_mut().now_or_never() {
            return (Some(output), passed);
        }
    }
    (None, passed)
}

/// Waits until the runtime, which is on another thread, has run its tasks and timers once.
async fn run_runtime() {
    let _ = tokio::spawn(yield_now()).await;
}
