//! Long and rare work on a thread of its own.

use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// Runs long and rare work on a new thread, at the priority of the threads of the sockets. `None` if the work panicked,
/// which the panic hook has reported, or if the system refused the thread.
pub async fn run_on_dedicated_thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (sender, receiver) = oneshot::channel();
    let thread = std::thread::Builder::new()
        .name("dedicated".to_owned())
        .stack_size(crate::THREAD_STACK_BYTES);
    let runtime = Handle::current();
    let spawned = thread.spawn(move || {
        // Imports of guests may wait for futures of the runtime.
        let _entered = runtime.enter();
        let _ = sender.send(work());
    });
    spawned.ok()?;
    receiver.await.ok()
}
