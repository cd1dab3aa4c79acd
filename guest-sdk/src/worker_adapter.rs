use std::{cell::RefCell, marker::PhantomData};

use crate::{
    bindings::narrowboat::consumer::types,
    consumer_adapter::error_text,
    message::{self, DecodedMessage},
    worker::Worker,
};

/// The component that `export_worker!` exports. Its only worker is of type `W`.
pub struct WorkerComponent<W>(PhantomData<W>);

impl<W: Worker> WorkerComponent<W> {
    /// Checks at compile time that `W` is a worker, and does nothing at run time.
    pub const fn checked() -> Option<Self> {
        None
    }
}

/// The storage of the instance's worker. A static cannot be generic, so the export macro, which knows the type,
/// implements this trait.
pub trait WorkerCell: Worker {
    /// Runs `work` with the worker. The first call creates the worker.
    fn with_worker<R>(work: impl FnOnce(&RefCell<Self>) -> R) -> R;
}

/// Gives a message of `channel` to a worker.
pub(crate) fn handle_message<W: Worker>(
    worker: &RefCell<W>,
    channel: &str,
    message: &[u8],
) -> Result<types::Handling, String> {
    let DecodedMessage::Known(message) = message::decode(message).map_err(error_text)? else {
        return Ok(types::Handling::UnknownType);
    };
    worker.borrow_mut().handle(channel, message).map_err(error_text)?;
    Ok(types::Handling::Handled)
}

#[cfg(target_family = "wasm")]
impl<W: WorkerCell> crate::bindings::worker_world::exports::narrowboat::consumer::worker::Guest
    for WorkerComponent<W>
{
    fn handle(channel: String, message: types::Message) -> Result<types::Handling, String> {
        crate::panic::install_hook();
        W::with_worker(|worker| handle_message(worker, &channel, &message))
    }
}
