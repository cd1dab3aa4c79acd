use std::{cell::RefCell, marker::PhantomData};

use crate::{
    bindings::{
        exports::narrowboat::consumer::websocket::{self, Guest, GuestConsumer},
        narrowboat::consumer::{connections, types},
    },
    channel_layer::{ChannelLayer, ChannelLayerError},
    connection::Connection,
    consumer::Consumer,
    error::Error,
    handshake::Deny,
    message::{self, DecodedMessage},
    panic,
    scope::Scope,
    timer::TimerId,
};

/// The component that `export!` exports. Its consumers are of type `C`.
pub struct ConsumerComponent<C>(PhantomData<C>);

impl<C: Consumer> ConsumerComponent<C> {
    /// Checks at compile time that `C` is a consumer, and does nothing at run time.
    pub const fn checked() -> Option<Self> {
        None
    }
}

impl<C: Consumer> Guest for ConsumerComponent<C> {
    type Consumer = ConsumerAdapter<C>;

    fn save_module(_: types::SaveMode) -> Result<websocket::ModuleState, String> {
        panic::install_hook();
        let snapshot = C::save_module().map_err(error_text)?;
        Ok(snapshot.map_or(websocket::ModuleState::None, |snapshot| {
            websocket::ModuleState::Shared(snapshot.into())
        }))
    }

    fn load_module(saved: types::Saved) -> Result<(), String> {
        panic::install_hook();
        C::load_module(saved.into()).map_err(error_text)
    }
}

/// A consumer together with its connection and groups, which the calls of the contract do not carry.
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

    fn try_connect(
        scope: &Scope,
        connection: Connection,
    ) -> Result<(Self, websocket::Decision), Deny> {
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
}

impl<C: Consumer> GuestConsumer for ConsumerAdapter<C> {
    fn connect(
        scope: types::Scope,
        connection: connections::Connection,
    ) -> Result<(websocket::Consumer, websocket::Decision), websocket::Refusal> {
        panic::install_hook();
        let (adapter, decision) = Self::try_connect(&scope.into(), Connection::new(connection))?;
        Ok((websocket::Consumer::new(adapter), decision))
    }

    fn receive(&self, frame: types::Frame) -> Result<(), types::Error> {
        Ok(self.consumer.borrow_mut().receive(&self.connection, frame.into())?)
    }

    fn handle(&self, message: types::Message) -> Result<types::Handling, types::Error> {
        let DecodedMessage::Known(message) = message::decode(&message)? else {
            return Ok(types::Handling::UnknownType);
        };
        self.consumer.borrow_mut().handle(&self.connection, message)?;
        Ok(types::Handling::Handled)
    }

    fn timer(&self, id: connections::TimerId) -> Result<(), types::Error> {
        Ok(self.consumer.borrow_mut().timer(&self.connection, TimerId(id))?)
    }

    fn disconnect(&self, closure: types::Closure) {
        self.consumer.borrow_mut().disconnect(&self.connection, closure.into());
        for group in &self.groups {
            // The host removes the channel of an ended connection from all groups later; this removes it at once.
            let _ = ChannelLayer::group_discard(group, self.connection.channel_name());
        }
    }

    fn snapshot(&self, _: types::SaveMode) -> Result<websocket::ConsumerState, String> {
        let snapshot = self.consumer.borrow().snapshot().map_err(error_text)?;
        Ok(websocket::ConsumerState::Saved(snapshot.into()))
    }

    fn restore(
        connection: connections::Connection,
        saved: Option<types::Saved>,
    ) -> Result<websocket::Consumer, String> {
        panic::install_hook();
        let saved = saved.ok_or("the saved state has no state of this consumer")?;
        Self::try_restore(Connection::new(connection), saved)
            .map(websocket::Consumer::new)
            .map_err(error_text)
    }
}

pub(crate) fn error_text(error: Error) -> String {
    error.to_string()
}
