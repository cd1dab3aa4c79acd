use std::cell::RefCell;

use crate::{
    bindings::narrowboat::consumer::types, worker::Worker, worker_adapter::handle_message,
};

/// The call of an instance with a worker, without the type of the worker.
pub(super) trait WorkerInstance {
    fn handle(&mut self, channel: &str, message: &[u8]) -> Result<types::Handling, String>;
}

/// A worker of type `W`, which the first message creates.
struct LazyWorker<W>(Option<RefCell<W>>);

/// Creates an instance with no worker yet.
pub(super) fn create_worker<W: Worker>() -> Box<dyn WorkerInstance> {
    Box::new(LazyWorker::<W>(None))
}

impl<W: Worker> WorkerInstance for LazyWorker<W> {
    fn handle(&mut self, channel: &str, message: &[u8]) -> Result<types::Handling, String> {
        let worker = self.0.get_or_insert_with(RefCell::default);
        handle_message(worker, channel, message)
    }
}
