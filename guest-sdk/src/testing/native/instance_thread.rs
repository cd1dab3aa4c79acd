//! The thread of an instance. A static of `thread_local!` has one value in each instance then, as in WebAssembly.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use super::{
    current_instance::{InstanceId, enter_instance},
    host_state::HostState,
    panic_location,
};

type Job<T> = Box<dyn FnOnce(&mut T) + Send>;

/// A running instance with the code `T`. Its calls run one at a time, and the caller waits for them.
pub(super) struct InstanceThread<T: ?Sized> {
    /// `None` when the thread has to end.
    jobs: Option<Sender<Job<T>>>,
    thread: Option<JoinHandle<()>>,
}

impl<T: ?Sized + 'static> InstanceThread<T> {
    /// Starts a thread with the code that `create` returns.
    ///
    /// # Errors
    /// The system cannot start a thread.
    pub(super) fn start(
        host: Arc<Mutex<HostState>>,
        instance: InstanceId,
        create: fn() -> Box<T>,
    ) -> Result<Self, String> {
        panic_location::install_hook();
        let (sender, receiver) = channel::<Job<T>>();
        let run = move || {
            enter_instance(host, instance);
            let mut code = create();
            receiver.into_iter().for_each(|job| job(&mut code));
        };
        let thread = thread::Builder::new().name(format!("plugin instance {}", instance.0));
        let thread = thread.spawn(run).map_err(|error| format!("no thread: {error}"))?;
        Ok(Self { jobs: Some(sender), thread: Some(thread) })
    }

    /// Runs a call on the thread, and waits for its result.
    ///
    /// # Errors
    /// The message and the place of a panic.
    pub(super) fn call<R: Send + 'static>(
        &self,
        call: impl FnOnce(&mut T) -> R + Send + 'static,
    ) -> Result<R, String> {
        let (sender, receiver) = channel();
        let job: Job<T> = Box::new(move |code| {
            let result = catch_unwind(AssertUnwindSafe(|| call(code)));
            // The caller waits for the result, so it cannot be gone.
            let _ = sender.send(result.map_err(|panic| describe_panic(&*panic)));
        });
        let is_sent = self.jobs.as_ref().is_some_and(|jobs| jobs.send(job).is_ok());
        match is_sent.then(|| receiver.recv()) {
            Some(Ok(result)) => result,
            _ => Err("the thread of the instance has ended".to_owned()),
        }
    }
}

impl<T: ?Sized> Drop for InstanceThread<T> {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // A panic in a destructor of the plugin has been reported on standard error.
            let _ = thread.join();
        }
    }
}

fn describe_panic(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    let text = text.unwrap_or_else(|| "a panic without a message".to_owned());
    match panic_location::take() {
        Some(location) => format!("{text} ({location})"),
        None => text,
    }
}
