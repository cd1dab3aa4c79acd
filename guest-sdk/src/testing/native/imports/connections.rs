//! `narrowboat:consumer/connections`.

use std::time::Duration;

use super::super::{
    current_instance::{InstanceId, OUTSIDE, with_host},
    effect::Effect,
    host_state::HostState,
    native_connection::{ConnectionId, NativeConnection},
};
pub(crate) use crate::bindings::narrowboat::consumer::connections::SendError;
use crate::{bindings::narrowboat::consumer::types, close_frame::CloseFrame, frame::Frame};

/// A handle of an instance to one of its connections.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(in super::super) id: ConnectionId,
    pub(in super::super) instance: InstanceId,
}

impl Connection {
    fn with<R>(&self, work: impl FnOnce(&mut HostState, &Self) -> R) -> R {
        match with_host(|host, _| work(host, self)) {
            Some(result) => result,
            None => panic!("{OUTSIDE}"),
        }
    }

    /// Runs `work` with the connection, if the handle is one of the instance that has the connection.
    fn with_live<R>(&self, work: impl FnOnce(&mut NativeConnection) -> R) -> Option<R> {
        self.with(|host, _| host.live_connection(self).map(work))
    }

    fn push(&self, effect: Effect) {
        self.with(|host, _| host.effects.push(effect));
    }

    pub(crate) fn channel_name(&self) -> String {
        self.with_live(|connection| connection.channel.clone()).unwrap_or_default()
    }

    pub(crate) fn scope(&self) -> Option<types::Scope> {
        self.with_live(|connection| connection.scope.clone())
    }

    pub(crate) fn send(&self, frame: &types::Frame) -> Result<(), SendError> {
        self.with(|host, _| host.send(self, frame.clone().into()))
    }

    pub(crate) fn buffered_amount(&self) -> u64 {
        self.with(|host, _| {
            let sizes = host.effects.iter().map(|effect| match effect {
                Effect::Send(id, frame) if *id == self.id => frame.as_bytes().len() as u64,
                _ => 0,
            });
            sizes.sum()
        })
    }

    pub(crate) fn close(&self, code: u16, reason: &str) {
        let was_open =
            self.with_live(|connection| !std::mem::replace(&mut connection.is_closing, true));
        if was_open != Some(true) {
            return;
        }
        let effect = match is_allowed_close(code, reason) {
            true => Effect::Close(self.id, CloseFrame { code, reason: reason.to_owned() }),
            false => Effect::Fail(
                self.id,
                format!(
                    "broke the contract: close({code}, {reason:?}): the code must be 1000 or 3000 to 4999, and the \
                     reason at most 123 bytes long"
                ),
            ),
        };
        self.push(effect);
    }

    pub(crate) fn set_timer(&self, delay_ms: u32) -> Result<u32, SendError> {
        let id = self.with_live(NativeConnection::reserve_timer).flatten();
        let id = id.ok_or(SendError::Closed)?;
        self.push(Effect::SetTimer(self.id, id, Duration::from_millis(delay_ms.into())));
        Ok(id)
    }

    pub(crate) fn clear_timer(&self, id: u32) {
        self.push(Effect::ClearTimer(self.id, id));
    }

    pub(crate) fn accept(&self, acceptance: &types::Acceptance) {
        self.push(Effect::Accept(self.id, acceptance.clone()));
    }

    pub(crate) fn reject(&self, rejection: &types::Rejection) {
        self.push(Effect::Reject(self.id, rejection.clone()));
    }
}

impl HostState {
    fn live_connection(&mut self, handle: &Connection) -> Option<&mut NativeConnection> {
        self.connections
            .get_mut(&handle.id)
            .filter(|connection| connection.instance == handle.instance && connection.is_present())
    }

    fn send(&mut self, to: &Connection, frame: Frame) -> Result<(), SendError> {
        match self.live_connection(to) {
            Some(connection) if !connection.is_closing => {
                self.effects.push(Effect::Send(to.id, frame));
                Ok(())
            }
            Some(connection) => {
                connection.was_send_refused = true;
                Err(SendError::Closed)
            }
            None => Err(SendError::Closed),
        }
    }
}

/// Whether a consumer may close with this code and reason.
fn is_allowed_close(code: u16, reason: &str) -> bool {
    matches!(code, 1000 | 3000..=4999) && reason.len() <= 123
}

pub(crate) fn send_many(to: &[&Connection], frame: &types::Frame) -> u32 {
    let sent = to.iter().filter(|connection| connection.send(frame).is_ok()).count();
    u32::try_from(sent).unwrap_or(u32::MAX)
}

pub(crate) fn everyone() -> Vec<Connection> {
    let all = with_host(|host, instance| {
        let connections = host.connections.iter();
        let own = connections.filter(|(_, it)| it.instance == instance && it.is_accepted());
        own.map(|(id, _)| Connection { id: *id, instance }).collect()
    });
    match all {
        Some(connections) => connections,
        None => panic!("{OUTSIDE}"),
    }
}

pub(crate) fn send_everyone(frame: &types::Frame, without: &[&Connection]) -> u32 {
    let all = everyone();
    let to: Vec<_> =
        all.iter().filter(|it| without.iter().all(|without| without.id != it.id)).collect();
    send_many(&to, frame)
}

pub(crate) fn find(channel_name: &str) -> Option<Connection> {
    let found = with_host(|host, instance| {
        let mut connections = host.connections.iter();
        let (id, _) = connections.find(|(_, connection)| {
            connection.channel == channel_name
                && connection.instance == instance
                && connection.is_present()
        })?;
        Some(Connection { id: *id, instance })
    });
    match found {
        Some(connection) => connection,
        None => panic!("{OUTSIDE}"),
    }
}
