//! Long and rare work on a thread of its own.

use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// Runs long and rare work on a thread of its own, at the sockets' priority. `None` if it panicked,
/// which has been reported, or if there is no thread.
pub async fn run_on_dedicated_thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (answer, answered) = oneshot::channel();
    let thread = std::thread::Builder::new().name("aside".to_owned());
    let runtime = Handle::current();
    let spawned = thread.spawn(move || {
        // For guests that wait for what the runtime does.
        let _entered = runtime.enter();
        let _ = answer.send(work());
    });
    spawned.ok()?;
    answered.await.ok()
}
