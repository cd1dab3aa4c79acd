//! `wasi:io`: streams, and waits for them. The crate waits without a limit; here a call has a
//! [`WaitBudget`](crate::store::WasiState::wait_budget).

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::runtime::Handle;
use wasmtime::component::{HasData, HasSelf, Linker, Resource, ResourceTable};
use wasmtime_wasi::p2::bindings::sync::io::{poll, streams};
use wasmtime_wasi_io::bindings::wasi::io::error;
use wasmtime_wasi_io::bindings::wasi::io::poll::{Host as Poll, HostPollable as Pollable};
use wasmtime_wasi_io::bindings::wasi::io::streams::{
    Host as Streams, HostInputStream as Input, HostOutputStream as Output,
};
use wasmtime_wasi_io::poll::DynPollable;
use wasmtime_wasi_io::streams::{DynInputStream, DynOutputStream, StreamError, StreamResult};

use super::http_error_code::to_http_error_code;
use crate::store::{GuestState, WaitError, WasiState};

/// Waits as long as the budget of the call allows.
const UNBOUNDED_WAIT: Duration = Duration::MAX;

struct HasTable;

impl HasData for HasTable {
    type Data<'a> = &'a mut ResourceTable;
}

/// Adds `wasi:io`.
///
/// # Errors
/// If an import of that name exists already.
pub(crate) fn add_to_linker(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    error::add_to_linker::<_, HasTable>(linker, GuestState::resources)?;
    poll::add_to_linker::<_, HasSelf<GuestState>>(linker, |state| state)?;
    streams::add_to_linker::<_, HasSelf<GuestState>>(linker, |state| state)
}

impl GuestState {
    /// The resources of WASI interfaces that the guest holds.
    pub(crate) fn resources(&mut self) -> &mut ResourceTable {
        &mut self.wasi_mut_or_init().table
    }

    /// Waits for work that may need the timers of the runtime.
    ///
    /// # Errors
    /// As [`Self::block_on`], and [`WaitError::NoRuntime`].
    fn block_on_timers<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut ResourceTable) -> T,
    ) -> wasmtime::Result<T> {
        if Handle::try_current().is_err() {
            return Err(WaitError::NoRuntime.into());
        }
        self.block_on(work)
    }

    /// Waits for work. Work that is ready needs no runtime, so that start-up code may write to standard output.
    ///
    /// # Errors
    /// A [`WaitError`], which is a trap, because not every function has an error to return.
    fn block_on<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut ResourceTable) -> T,
    ) -> wasmtime::Result<T> {
        let ctx = Arc::clone(&self.ctx);
        let WasiState { table, wait_budget, .. } = self.wasi_mut_or_init();
        let result = {
            let mut work = pin!(work(table));
            // A timer that has expired yields once before it is ready.
            for _ in 0..2 {
                if let Some(output) = work.as_mut().now_or_never() {
                    return Ok(output);
                }
            }
            // Before the wait, so that further calls of the version do not block threads of sockets meanwhile.
            ctx.execution_mode.record_call(true);
            wait_budget.block_on(UNBOUNDED_WAIT, work)
        };
        self.record_waits();
        Ok(result?)
    }

    /// Writes to a stream. If it is one of the output streams of the guest, its complete lines go to the log, so that
    /// the host keeps no more than one line.
    fn write_and_log<T>(&mut self, write: impl FnOnce(&mut Self) -> T) -> T {
        let result = write(self);
        self.log_output();
        result
    }

    fn block_on_stream<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut ResourceTable) -> StreamResult<T>,
    ) -> StreamResult<T> {
        self.block_on(work).map_err(StreamError::Trap)?
    }
}

impl poll::Host for GuestState {
    fn poll(&mut self, pollables: Vec<Resource<DynPollable>>) -> wasmtime::Result<Vec<u32>> {
        self.block_on_timers(async |table| Poll::poll(table, pollables).await)?
    }
}

impl poll::HostPollable for GuestState {
    fn ready(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<bool> {
        self.block_on_timers(async |table| Pollable::ready(table, pollable).await)?
    }

    fn block(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<()> {
        self.block_on_timers(async |table| Pollable::block(table, pollable).await)?
    }

    fn drop(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<()> {
        Pollable::drop(self.resources(), pollable)
    }
}

impl streams::Host for GuestState {
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
        Ok(Streams::convert_stream_error(self.resources(), error)?.into())
    }
}

impl streams::HostInputStream for GuestState {
    fn read(&mut self, stream: Resource<DynInputStream>, len: u64) -> StreamResult<Vec<u8>> {
        Input::read(self.resources(), stream, len)
    }

    fn blocking_read(
        &mut self,
        stream: Resource<DynInputStream>,
        len: u64,
    ) -> StreamResult<Vec<u8>> {
        self.block_on_stream(async |table| Input::blocking_read(table, stream, len).await)
    }

    fn skip(&mut self, stream: Resource<DynInputStream>, len: u64) -> StreamResult<u64> {
        Input::skip(self.resources(), stream, len)
    }

    fn blocking_skip(&mut self, stream: Resource<DynInputStream>, len: u64) -> StreamResult<u64> {
        self.block_on_stream(async |table| Input::blocking_skip(table, stream, len).await)
    }

    fn subscribe(
        &mut self,
        stream: Resource<DynInputStream>,
    ) -> wasmtime::Result<Resource<DynPollable>> {
        Input::subscribe(self.resources(), stream)
    }

    fn drop(&mut self, stream: Resource<DynInputStream>) -> wasmtime::Result<()> {
        self.block_on(async |table| Input::drop(table, stream).await)?
    }
}

impl streams::HostOutputStream for GuestState {
    fn check_write(&mut self, stream: Resource<DynOutputStream>) -> StreamResult<u64> {
        Output::check_write(self.resources(), stream)
    }

    fn write(&mut self, stream: Resource<DynOutputStream>, bytes: Vec<u8>) -> StreamResult<()> {
        self.write_and_log(|state| Output::write(state.resources(), stream, bytes))
    }

    fn blocking_write_and_flush(
        &mut self,
        stream: Resource<DynOutputStream>,
        bytes: Vec<u8>,
    ) -> StreamResult<()> {
        self.write_and_log(|state| {
            state.block_on_stream(async |table| {
                Output::blocking_write_and_flush(table, stream, bytes).await
            })
        })
    }

    fn flush(&mut self, stream: Resource<DynOutputStream>) -> StreamResult<()> {
        Output::flush(self.resources(), stream)
    }

    fn blocking_flush(&mut self, stream: Resource<DynOutputStream>) -> StreamResult<()> {
        self.block_on_stream(async |table| Output::blocking_flush(table, stream).await)
    }

    fn subscribe(
        &mut self,
        stream: Resource<DynOutputStream>,
    ) -> wasmtime::Result<Resource<DynPollable>> {
        Output::subscribe(self.resources(), stream)
    }

    fn write_zeroes(&mut self, stream: Resource<DynOutputStream>, len: u64) -> StreamResult<()> {
        // The crate allocates all zeros before it checks the length.
        if len > Output::check_write(self.resources(), Resource::new_borrow(stream.rep()))? {
            return Err(StreamError::trap(
                "write-zeroes: the length is more than check-write allows",
            ));
        }
        self.write_and_log(|state| Output::write_zeroes(state.resources(), stream, len))
    }

    fn blocking_write_zeroes_and_flush(
        &mut self,
        stream: Resource<DynOutputStream>,
        len: u64,
    ) -> StreamResult<()> {
        self.write_and_log(|state| {
            state.block_on_stream(async |table| {
                Output::blocking_write_zeroes_and_flush(table, stream, len).await
            })
        })
    }

    fn splice(
        &mut self,
        to: Resource<DynOutputStream>,
        from: Resource<DynInputStream>,
        len: u64,
    ) -> StreamResult<u64> {
        self.write_and_log(|state| Output::splice(state.resources(), to, from, len))
    }

    fn blocking_splice(
        &mut self,
        to: Resource<DynOutputStream>,
        from: Resource<DynInputStream>,
        len: u64,
    ) -> StreamResult<u64> {
        self.write_and_log(|state| {
            state.block_on_stream(async |table| Output::blocking_splice(table, to, from, len).await)
        })
    }

    fn drop(&mut self, stream: Resource<DynOutputStream>) -> wasmtime::Result<()> {
        self.block_on(async |table| Output::drop(table, stream).await)?
    }
}
