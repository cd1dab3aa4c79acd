//! The data of a store of the guest server: the frames that the guest sends.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio_tungstenite::tungstenite::Message;
use wasmtime::component::Resource;
use wasmtime::{Result, bail};

use super::bindings::plain::narrowboat::consumer::connections::{
    Connection, Frame, Host, HostConnection, SendError, TimerId,
};
use super::bindings::plain::narrowboat::consumer::types::{self, ScopeResult};

type ConnectionResource = Resource<Connection>;

/// The data of one store.
pub(super) struct EchoState {
    /// The frames that the running call sends.
    pub(super) sent_messages: Vec<Message>,
    live_instances: Arc<AtomicUsize>,
}

impl EchoState {
    pub(super) fn new(live_instances: Arc<AtomicUsize>) -> Self {
        live_instances.fetch_add(1, Ordering::Relaxed);
        Self { sent_messages: Vec::new(), live_instances }
    }
}

impl Drop for EchoState {
    fn drop(&mut self) {
        self.live_instances.fetch_sub(1, Ordering::Relaxed);
    }
}

impl types::Host for EchoState {}

impl HostConnection for EchoState {
    fn send(&mut self, _: ConnectionResource, frame: Frame) -> Result<Result<(), SendError>> {
        self.sent_messages.push(match frame {
            Frame::Text(text) => Message::Text(text.into()),
            Frame::Binary(bytes) => Message::Binary(bytes.into()),
        });
        Ok(Ok(()))
    }

    fn channel_name(&mut self, _: ConnectionResource) -> Result<String> {
        bail!("an echo plugin does not call channel-name")
    }

    fn scope(&mut self, _: ConnectionResource) -> Result<Option<ScopeResult>> {
        bail!("an echo plugin does not call scope")
    }

    fn buffered_amount(&mut self, _: ConnectionResource) -> Result<u64> {
        bail!("an echo plugin does not call buffered-amount")
    }

    fn accept(&mut self, _: ConnectionResource, _: types::Acceptance) -> Result<()> {
        bail!("an echo plugin does not call accept")
    }

    fn reject(&mut self, _: ConnectionResource, _: types::Rejection) -> Result<()> {
        bail!("an echo plugin does not call reject")
    }

    fn close(&mut self, _: ConnectionResource, _: u16, _: String) -> Result<()> {
        bail!("an echo plugin does not call close")
    }

    fn set_timer(&mut self, _: ConnectionResource, _: u32) -> Result<Result<TimerId, SendError>> {
        bail!("an echo plugin has no timers")
    }

    fn clear_timer(&mut self, _: ConnectionResource, _: TimerId) -> Result<()> {
        bail!("an echo plugin has no timers")
    }

    fn drop(&mut self, _: ConnectionResource) -> Result<()> {
        Ok(())
    }
}

impl Host for EchoState {
    fn send_many(&mut self, _: Vec<ConnectionResource>, _: Frame) -> Result<u32> {
        bail!("an echo plugin does not call send-many")
    }

    fn find(&mut self, _: String) -> Result<Option<ConnectionResource>> {
        bail!("an echo plugin does not call find")
    }

    fn everyone(&mut self) -> Result<Vec<ConnectionResource>> {
        bail!("an echo plugin does not call everyone")
    }

    fn send_everyone(&mut self, _: Frame, _: Vec<ConnectionResource>) -> Result<u32> {
        bail!("an echo plugin does not call send-everyone")
    }
}
