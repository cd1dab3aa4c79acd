use std::{cell::RefCell, marker::PhantomData};

use crate::{
    bindings::{
        narrowboat::consumer::types, worker_world::exports::narrowboat::consumer::worker::Guest,
    },
    consumer_adapter::error_text,
    message::{self, DecodedMessage},
    panic,
    worker::Worker,
};

/// What the export macro for workers exports: the instance's one `W`.
pub struct WorkerComponent<W>(PhantomData<W>);

impl<W: Worker> WorkerComponent<W> {
    /// Compiles if `W` is a worker, and does nothing.
    pub const fn checked() -> Option<Self> {
        None
    }
}

/// Where the instance's worker is kept. A static cannot be generic, so that the export macro, which knows the type,
/// has it.
pub trait WorkerCell: Worker {
    /// Runs `work` with the worker, which is made when it is first asked for.
    fn with_kept<R>(work: impl FnOnce(&RefCell<Self>) -> R) -> R;
}

impl<W: WorkerCell> Guest for WorkerComponent<W> {
    fn handle(channel: String, message: types::Message) -> Result<types::Handling, String> {
        panic::install_hook();
        let DecodedMessage::Known(message) = message::decode(&message).map_err(error_text)? else {
            return Ok(types::Handling::UnknownType);
        };
        W::with_kept(|worker| worker.borrow_mut().handle(&channel, message)).map_err(error_text)?;
        Ok(types::Handling::Handled)
    }
}
