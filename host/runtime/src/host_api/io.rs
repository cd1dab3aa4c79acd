//! `wasi:io`: streams, and waits for them. The crate waits without a limit; here a call has a [`WaitBudget`].

use std::time::Duration;

use wasmtime::component::{HasData, Linker, Resource, ResourceTable};
use wasmtime_wasi::p2::bindings::sync::io::{poll, streams};
use wasmtime_wasi_io::bindings::wasi::io::error;
use wasmtime_wasi_io::bindings::wasi::io::poll::{Host as Poll, HostPollable as Pollable};
use wasmtime_wasi_io::bindings::wasi::io::streams::{
    Host as Streams, HostInputStream as Input, HostOutputStream as Output,
};
use wasmtime_wasi_io::poll::DynPollable;
use wasmtime_wasi_io::streams::{DynInputStream, DynOutputStream, StreamError, StreamResult};

use super::http_error_code::to_http_error_code;
use crate::store::GuestState;
use crate::store::WaitBudget;

/// Waits as long as the budget of the call allows.
const UNBOUNDED_WAIT: Duration = Duration::MAX;

/// The streams of a guest, and the time that the call may still wait for them.
pub(crate) struct WasiIoView<'a> {
    table: &'a mut ResourceTable,
    wait_budget: &'a mut WaitBudget,
}

struct HasIo;

impl HasData for HasIo {
    type Data<'a> = WasiIoView<'a>;
}

struct HasTable;

impl HasData for HasTable {
    type Data<'a> = &'a mut ResourceTable;
}

impl GuestState {
    fn io_view(&mut self) -> WasiIoView<'_> {
        let wasi = self.wasi_mut_or_init();
        WasiIoView { table: &mut wasi.table, wait_budget: &mut wasi.wait_budget }
    }
}

/// Adds the imports that interfaces with streams need.
///
/// # Errors
/// If an import of that name exists already.
pub(crate) fn add_to_linker(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    error::add_to_linker::<_, HasTable>(linker, |state| &mut state.wasi_mut_or_init().table)?;
    poll::add_to_linker::<_, HasIo>(linker, GuestState::io_view)?;
    streams::add_to_linker::<_, HasIo>(linker, GuestState::io_view)
}

impl WasiIoView<'_> {
    /// Waits for a resource of the table. A wait that takes too long is a trap, because not every function has an error
    /// to return.
    fn block_on<'t, T, F: Future<Output = T>>(
        &'t mut self,
        work: impl FnOnce(&'t mut ResourceTable) -> F,
    ) -> wasmtime::Result<T> {
        Ok(self.wait_budget.block_on(UNBOUNDED_WAIT, work(self.table))?)
    }

    fn block_on_stream<'t, T, F: Future<Output = StreamResult<T>>>(
        &'t mut self,
        work: impl FnOnce(&'t mut ResourceTable) -> F,
    ) -> StreamResult<T> {
        self.block_on(work).map_err(StreamError::Trap)?
    }
}

impl poll::Host for WasiIoView<'_> {
    fn poll(&mut self, pollables: Vec<Resource<DynPollable>>) -> wasmtime::Result<Vec<u32>> {
        self.block_on(|table| Poll::poll(table, pollables))?
    }
}

impl poll::HostPollable for WasiIoView<'_> {
    fn ready(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<bool> {
        self.block_on(|table| Pollable::ready(table, pollable))?
    }

    fn block(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<()> {
        self.block_on(|table| Pollable::block(table, pollable))?
    }

    fn drop(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<()> {
        Pollable::drop(self.table, pollable)
    }
}

impl streams::Host for WasiIoView<'_> {
    fn convert_stream_error(
        &mut self,
        error: StreamError,
    ) -> wasmtime::Result<streams::StreamError> {
        let error = match error {
            StreamError::LastOperationFailed(error) => {
                StreamError::LastOperationFailed(to_http_error_code(error))
            }
            other => other,
        };
        Ok(Streams::convert_stream_error(self.table, error)?.into())
    }
}

impl streams::HostInputStream for WasiIoView<'_> {
    fn read(&mut self, stream: Resource<DynInputStream>, len: u64) -> StreamResult<Vec<u8>> {
        Input::read(self.table, stream, len)
    }

    fn blocking_read(
        &mut self,
        stream: Resource<DynInputStream>,
        len: u64,
    ) -> StreamResult<Vec<u8>> {
        self.block_on_stream(|table| Input::blocking_read(table, stream, len))
    }

    fn skip(&mut self, stream: Resource<DynInputStream>, len: u64) -> StreamResult<u64> {
        Input::skip(self.table, stream, len)
    }

    fn blocking_skip(&mut self, stream: Resource<DynInputStream>, len: u64) -> StreamResult<u64> {
        self.block_on_stream(|table| Input::blocking_skip(table, stream, len))
    }

    fn subscribe(
        &mut self,
        stream: Resource<DynInputStream>,
    ) -> wasmtime::Result<Resource<DynPollable>> {
        Input::subscribe(self.table, stream)
    }

    fn drop(&mut self, stream: Resource<DynInputStream>) -> wasmtime::Result<()> {
        self.block_on(|table| Input::drop(table, stream))?
    }
}

impl streams::HostOutputStream for WasiIoView<'_> {
    fn check_write(&mut self, stream: Resource<DynOutputStream>) -> StreamResult<u64> {
        Output::check_write(self.table, stream)
    }

    fn write(&mut self, stream: Resource<DynOutputStream>, bytes: Vec<u8>) -> StreamResult<()> {
        Output::write(self.table, stream, bytes)
    }

    fn blocking_write_and_flush(
        &mut self,
        stream: Resource<DynOutputStream>,
        bytes: Vec<u8>,
    ) -> StreamResult<()> {
        self.block_on_stream(|table| Output::blocking_write_and_flush(table, stream, bytes))
    }

    fn flush(&mut self, stream: Resource<DynOutputStream>) -> StreamResult<()> {
        Output::flush(self.table, stream)
    }

    fn blocking_flush(&mut self, stream: Resource<DynOutputStream>) -> StreamResult<()> {
        self.block_on_stream(|table| Output::blocking_flush(table, stream))
    }

    fn subscribe(
        &mut self,
        stream: Resource<DynOutputStream>,
    ) -> wasmtime::Result<Resource<DynPollable>> {
        Output::subscribe(self.table, stream)
    }

    fn write_zeroes(&mut self, stream: Resource<DynOutputStream>, len: u64) -> StreamResult<()> {
        // The crate allocates all zeros before it checks the length.
        if len > Output::check_write(self.table, Resource::new_borrow(stream.rep()))? {
            return Err(StreamError::trap(
                "write-zeroes: the length is more than check-write allows",
            ));
        }
        Output::write_zeroes(self.table, stream, len)
    }

    fn blocking_write_zeroes_and_flush(
        &mut self,
        stream: Resource<DynOutputStream>,
        len: u64,
    ) -> StreamResult<()> {
        self.block_on_stream(|table| Output::blocking_write_zeroes_and_flush(table, stream, len))
    }

    fn splice(
        &mut self,
        to: Resource<DynOutputStream>,
        from: Resource<DynInputStream>,
        len: u64,
    ) -> StreamResult<u64> {
        Output::splice(self.table, to, from, len)
    }

    fn blocking_splice(
        &mut self,
        to: Resource<DynOutputStream>,
        from: Resource<DynInputStream>,
        len: u64,
    ) -> StreamResult<u64> {
        self.block_on_stream(|table| Output::blocking_splice(table, to, from, len))
    }

    fn drop(&mut self, stream: Resource<DynOutputStream>) -> wasmtime::Result<()> {
        self.block_on(|table| Output::drop(table, stream))?
    }
}
