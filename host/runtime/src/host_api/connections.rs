//! `narrowboat:consumer/connections`: frames, timers and the end of connections.

use std::time::Duration;

use bytes::Bytes;
use wasmtime::component::Resource;

use crate::bindings::narrowboat::consumer::connections::{
    Acceptance as GuestAcceptance, Frame as GuestFrame, Host, HostConnection,
    Rejection as GuestRejection, SendError,
};
use crate::bindings::narrowboat::consumer::types::ScopeResult as GuestScope;
use crate::call::{ConnectionId, WitConnection};
use crate::effects::{Effect, EffectLimitExceeded};
use crate::store::GuestState;
use narrowboat_core::close_frame::CloseFrame;
use narrowboat_core::fault::GuestFault;
use narrowboat_core::frame::Frame;
use narrowboat_core::handshake_response::{Acceptance, Rejection};
use narrowboat_core::scope::Scope;
use narrowboat_websocket::connection::{PushError, TimerId};

type Handle = Resource<WitConnection>;

impl From<GuestFrame> for Frame {
    fn from(frame: GuestFrame) -> Self {
        match frame {
            GuestFrame::Text(text) => Self::Text(text.into()),
            GuestFrame::Binary(bytes) => Self::Binary(Bytes::from(bytes)),
        }
    }
}

impl From<&Scope> for GuestScope {
    fn from(scope: &Scope) -> Self {
        let headers = scope.headers.iter();
        Self {
            scheme: scope.scheme.to_owned(),
            path: scope.path.clone(),
            raw_path: scope.raw_path.to_vec(),
            query_string: scope.query_string.to_vec(),
            headers: headers.map(|(name, value)| (name.to_owned(), value.to_vec())).collect(),
            subprotocols: scope.subprotocols.clone(),
            client: Some((scope.client.ip().to_string(), scope.client.port())),
            server: Some((scope.server.ip().to_string(), scope.server.port())),
            url_route: scope.url_route.clone(),
            user: scope.user.clone(),
            attributes: scope.attributes.clone(),
        }
    }
}

impl From<PushError> for SendError {
    fn from(error: PushError) -> Self {
        match error {
            PushError::Closed => Self::Closed,
            PushError::Full => Self::Backpressure,
            PushError::TooLarge(limit) => Self::TooLarge(limit as u64),
        }
    }
}

impl From<EffectLimitExceeded> for SendError {
    fn from(_: EffectLimitExceeded) -> Self {
        Self::Other(EffectLimitExceeded::TEXT.to_owned())
    }
}

impl GuestState {
    fn send_frame(&mut self, to: &Handle, frame: GuestFrame) -> Result<(), SendError> {
        let frame = Frame::from(frame);
        let len = frame.len();
        let connection = self.reserve_send(ConnectionId(to.rep()), len)?;
        Ok(self.effects.push(Effect::Send(connection, frame), len)?)
    }

    /// Sends a frame to many connections. Returns the number of those that accepted it.
    fn send_to_many(&mut self, to: impl Iterator<Item = ConnectionId>, frame: Frame) -> u32 {
        let len = frame.len();
        let receivers: Vec<_> = to.filter_map(|id| self.reserve_send(id, len).ok()).collect();
        let count = receivers.len();
        match self.effects.push_many(Effect::SendMany(receivers, frame), count, len) {
            Ok(()) => u32::try_from(count).unwrap_or(u32::MAX),
            Err(EffectLimitExceeded) => 0,
        }
    }
}

impl HostConnection for GuestState {
    fn channel_name(&mut self, handle: Handle) -> wasmtime::Result<String> {
        Ok(self
            .connections
            .get(&handle)
            .map_or_else(String::new, |connection| connection.channel.to_string()))
    }

    fn scope(&mut self, handle: Handle) -> wasmtime::Result<Option<GuestScope>> {
        Ok(self.connections.scope(&handle).map(|scope| GuestScope::from(&**scope)))
    }

    fn send(
        &mut self,
        handle: Handle,
        frame: GuestFrame,
    ) -> wasmtime::Result<Result<(), SendError>> {
        Ok(self.send_frame(&handle, frame))
    }

    fn buffered_amount(&mut self, handle: Handle) -> wasmtime::Result<u64> {
        Ok(self.connections.buffered_bytes(&handle) as u64)
    }

    fn close(&mut self, handle: Handle, code: u16, reason: String) -> wasmtime::Result<()> {
        let Some(connection) = self.connections.mark_closing(&handle) else { return Ok(()) };
        let effect = if CloseFrame::is_allowed_for_consumer(code, &reason) {
            Effect::Close(connection, CloseFrame::new(code, reason))
        } else {
            let shortened = CloseFrame::new(code, reason).reason;
            let fault = GuestFault::ContractViolation(format!(
                "close({code}, {shortened:?}): the code must be 1000 or 3000 to 4999, and the reason at most \
                 123 bytes long"
            ));
            self.record_contract_violation(fault.clone());
            Effect::Fail(connection, fault.into())
        };
        self.push_effect_or_trap(effect)
    }

    fn accept(&mut self, handle: Handle, acceptance: GuestAcceptance) -> wasmtime::Result<()> {
        let Some(connection) = self.connections.get(&handle).cloned() else { return Ok(()) };
        self.connections.set_undecided(ConnectionId(handle.rep()), false);
        let acceptance = Acceptance::from(acceptance);
        let bytes = acceptance.size();
        self.push_payload_or_trap(Effect::Accept(connection, acceptance), bytes)
    }

    fn reject(&mut self, handle: Handle, rejection: GuestRejection) -> wasmtime::Result<()> {
        let Some(connection) = self.connections.get(&handle).cloned() else { return Ok(()) };
        let rejection = Rejection::from(rejection);
        let bytes = rejection.size();
        self.push_payload_or_trap(Effect::Reject(connection, rejection), bytes)
    }

    fn set_timer(
        &mut self,
        handle: Handle,
        delay_ms: u32,
    ) -> wasmtime::Result<Result<TimerId, SendError>> {
        let connection = match self.reserve_timer(&handle) {
            Ok(Some(connection)) => connection,
            Ok(None) => {
                let text = format!("a connection may have {} timers", self.ctx.limits.timers);
                return Ok(Err(SendError::Other(text)));
            }
            Err(error) => return Ok(Err(error.into())),
        };
        let id = connection.timers.reserve_id();
        let delay = Duration::from_millis(delay_ms.into());
        Ok(self
            .effects
            .push(Effect::SetTimer(connection, id, delay), 0)
            .map(|()| id)
            .map_err(Into::into))
    }

    fn clear_timer(&mut self, handle: Handle, id: TimerId) -> wasmtime::Result<()> {
        match self.connections.get(&handle).cloned() {
            Some(connection) => self.push_effect_or_trap(Effect::ClearTimer(connection, id)),
            None => Ok(()),
        }
    }

    fn drop(&mut self, _handle: Handle) -> wasmtime::Result<()> {
        self.connections.drop_handle();
        Ok(())
    }
}

impl Host for GuestState {
    fn send_many(&mut self, to: Vec<Handle>, frame: GuestFrame) -> wasmtime::Result<u32> {
        let to = to.iter().map(|handle| ConnectionId(handle.rep()));
        Ok(self.send_to_many(to, frame.into()))
    }

    fn find(&mut self, channel: String) -> wasmtime::Result<Option<Handle>> {
        self.connections.find(&channel).map(|id| self.connections.new_handle(id)).transpose()
    }

    fn everyone(&mut self) -> wasmtime::Result<Vec<Handle>> {
        let ids = self.connections.sorted_accepted();
        ids.into_iter().map(|id| self.connections.new_handle(id)).collect()
    }

    fn send_everyone(&mut self, frame: GuestFrame, without: Vec<Handle>) -> wasmtime::Result<u32> {
        let mut without: Vec<_> = without.iter().map(Handle::rep).collect();
        without.sort_unstable();
        let mut to = self.connections.sorted_accepted();
        to.retain(|id| without.binary_search(&id.0).is_err());
        Ok(self.send_to_many(to.into_iter(), frame.into()))
    }
}
