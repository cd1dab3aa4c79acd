//! What a store of the guest server holds: the frames its guest has sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio_tungstenite::tungstenite::Message;
use wasmtime::component::Resource;
use wasmtime::{Result, bail};

use super::bindings::plain::narrowboat::consumer::connections::{
    Connection, Frame, Host, HostConnection, SendError, TimerId,
};
use super::bindings::plain::narrowboat::consumer::types::{self, ScopeResult};

type Handle = Resource<Connection>;

/// One store's data.
pub(super) struct GuestState {
    /// What the running call sends.
    pub(super) sent: Vec<Message>,
    alive: Arc<AtomicUsize>,
}

impl GuestState {
    pub(super) fn new(alive: Arc<AtomicUsize>) -> Self {
        alive.fetch_add(1, Ordering::Relaxed);
        Self { sent: Vec::new(), alive }
    }
}

impl Drop for GuestState {
    fn drop(&mut self) {
        self.alive.fetch_sub(1, Ordering::Relaxed);
    }
}

impl types::Host for GuestState {}

impl HostConnection for GuestState {
    fn send(&mut self, _: Handle, frame: Frame) -> Result<Result<(), SendError>> {
        self.sent.push(match frame {
            Frame::Text(text) => Message::Text(text.into()),
            Frame::Binary(bytes) => Message::Binary(bytes.into()),
        });
        Ok(Ok(()))
    }

    fn channel_name(&mut self, _: Handle) -> Result<String> {
        bail!("an echo does not ask for its channel")
    }

    fn scope(&mut self, _: Handle) -> Result<Option<ScopeResult>> {
        bail!("an echo does not ask for its scope")
    }

    fn buffered_amount(&mut self, _: Handle) -> Result<u64> {
        bail!("an echo does not look at its queue")
    }

    fn close(&mut self, _: Handle, _: u16, _: String) -> Result<()> {
        bail!("an echo does not close")
    }

    fn set_timer(&mut self, _: Handle, _: u32) -> Result<Result<TimerId, SendError>> {
        bail!("an echo has no timers")
    }

    fn clear_timer(&mut self, _: Handle, _: TimerId) -> Result<()> {
        bail!("an echo has no timers")
    }

    fn drop(&mut self, _: Handle) -> Result<()> {
        Ok(())
    }
}

impl Host for GuestState {
    fn send_many(&mut self, _: Vec<Handle>, _: Frame) -> Result<u32> {
        bail!("an echo answers one")
    }

    fn find(&mut self, _: String) -> Result<Option<Handle>> {
        bail!("an echo looks for nobody")
    }
}
