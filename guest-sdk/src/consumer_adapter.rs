use std::cell::RefCell;

use crate::{
    bindings::{
        exports::narrowboat::consumer::websocket::{Decision, Refusal},
        narrowboat::consumer::types,
    },
    channel_layer::{ChannelLayer, ChannelLayerError},
    connection::Connection,
    consumer::Consumer,
    error::Error,
    handshake::Deny,
    message::{self, DecodedMessage},
    scope::Scope,
    timer::TimerId,
};

/// A consumer together with its connection and groups, which the calls of the contract do not carry. Its methods are the
/// calls of the contract.
#[cfg_attr(
    not(target_family = "wasm"),
    allow(unreachable_pub, reason = "the exports of a component have it as an associated type")
)]
pub struct ConsumerAdapter<C> {
    connection: Connection,
    groups: Vec<String>,
    consumer: RefCell<C>,
}

impl<C: Consumer> ConsumerAdapter<C> {
    fn join_groups(connection: &Connection) -> Result<Vec<String>, ChannelLayerError> {
        let groups = C::groups(connection);
        for group in &groups {
            ChannelLayer::group_add(group, connection.channel_name())?;
        }
        Ok(groups)
    }

    fn try_connect(scope: &Scope, connection: Connection) -> Result<(Self, Decision), Deny> {
        let groups = Self::join_groups(&connection)?;
        let (consumer, decision) = C::connect(scope, &connection)?.into_parts();
        Ok((Self { connection, groups, consumer: RefCell::new(consumer) }, decision))
    }

    /// Restores a consumer and joins its groups. Joining a group again has no effect, and this version may have other
    /// groups than the last.
    fn try_restore(connection: Connection, saved: types::Saved) -> Result<Self, Error> {
        let mut consumer = C::restore(&connection, saved.into())?;
        let groups = Self::join_groups(&connection)?;
        consumer.after_restore(&connection);
        Ok(Self { connection, groups, consumer: RefCell::new(consumer) })
    }

    pub(crate) fn connect(
        scope: types::Scope,
        connection: Connection,
    ) -> Result<(Self, Decision), Refusal> {
        Ok(Self::try_connect(&scope.into(), connection)?)
    }

    pub(crate) fn receive(&self, frame: types::Frame) -> Result<(), types::Error> {
        Ok(self.consumer.borrow_mut().receive(&self.connection, frame.into())?)
    }

    pub(crate) fn handle(&self, message: &[u8]) -> Result<types::Handling, types::Error> {
        let DecodedMessage::Known(message) = message::decode(message)? else {
            return Ok(types::Handling::UnknownType);
        };
        self.consumer.borrow_mut().handle(&self.connection, message)?;
        Ok(types::Handling::Handled)
    }

    pub(crate) fn timer(&self, id: u32) -> Result<(), types::Error> {
        Ok(self.consumer.borrow_mut().timer(&self.connection, TimerId(id))?)
    }

    pub(crate) fn disconnect(&self, closure: types::Closure) {
        self.consumer.borrow_mut().disconnect(&self.connection, closure.into());
        for group in &self.groups {
            // The host removes the channel of an ended connection from all groups later; this removes it at once.
            let _ = ChannelLayer::group_discard(group, self.connection.channel_name());
        }
    }

    pub(crate) fn snapshot(&self) -> Result<types::Saved, String> {
        Ok(self.consumer.borrow().snapshot().map_err(error_text)?.into())
    }

    pub(crate) fn restore(
        connection: Connection,
        saved: Option<types::Saved>,
    ) -> Result<Self, String> {
        let saved = saved.ok_or("the saved state has no state of this consumer")?;
        Self::try_restore(connection, saved).map_err(error_text)
    }
}

/// Saves the state that the consumers of type `C` share.
pub(crate) fn save_module<C: Consumer>() -> Result<Option<types::Saved>, String> {
    Ok(C::save_module().map_err(error_text)?.map(types::Saved::from))
}

/// Loads the state that consumers of type `C` share.
pub(crate) fn load_module<C: Consumer>(saved: types::Saved) -> Result<(), String> {
    C::load_module(saved.into()).map_err(error_text)
}

/// Handles the alarm of the room.
pub(crate) fn handle_alarm<C: Consumer>() -> Result<(), String> {
    C::alarm().map_err(error_text)
}

pub(crate) fn error_text(error: Error) -> String {
    error.to_string()
}
