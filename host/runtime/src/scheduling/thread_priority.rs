//! The priority of threads that compute.

/// How far below the sockets' threads guests run, in units of `nice`.
const NICENESS: i32 = 5;

/// Lowers the priority of the calling thread, once. Without the right to do so all goes on as it
/// is: the system shares the cores evenly then.
pub(crate) fn lower_thread_priority() {
    thread_local!(static DONE: std::cell::Cell<bool> = const { std::cell::Cell::new(false) });
    if !DONE.replace(true) {
        let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICENESS);
    }
}
