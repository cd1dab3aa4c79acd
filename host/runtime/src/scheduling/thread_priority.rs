//! The priority of threads that compute.

/// The `nice` value of threads that compute. The threads of the sockets have 0.
const NICENESS: i32 = 5;

/// Lowers the priority of the current thread. If the system does not allow it, the thread keeps its priority.
pub(crate) fn lower_thread_priority() {
    thread_local!(static DONE: std::cell::Cell<bool> = const { std::cell::Cell::new(false) });
    if !DONE.replace(true) {
        let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICENESS);
    }
}
