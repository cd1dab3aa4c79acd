use std::collections::HashMap;

use super::{imports::connections, native_connection::ConnectionId};
use crate::{
    bindings::{
        exports::narrowboat::consumer::websocket::{Decision, Refusal},
        narrowboat::consumer::types,
    },
    connection::Connection,
    consumer::Consumer,
    consumer_adapter::{ConsumerAdapter, handle_alarm, load_module, save_module},
};

/// The result of an event of a connection.
pub(super) type EventResult = Result<types::Handling, types::Error>;

/// The calls of an instance with consumers, without the type of its consumers.
pub(super) trait ConsumerInstance {
    fn connect(
        &mut self,
        handle: connections::Connection,
        scope: types::Scope,
    ) -> Result<Decision, Refusal>;
    fn receive(&mut self, id: ConnectionId, frame: types::Frame) -> EventResult;
    fn handle(&mut self, id: ConnectionId, message: &[u8]) -> EventResult;
    fn timer(&mut self, id: ConnectionId, timer: u32) -> EventResult;
    /// Calls `disconnect` and drops the consumer.
    fn disconnect(&mut self, id: ConnectionId, closure: types::Closure);
    /// Drops the consumer.
    fn discard(&mut self, id: ConnectionId);
    fn alarm(&mut self) -> Result<(), String>;
    fn save_module(&mut self) -> Result<Option<types::Saved>, String>;
    fn load_module(&mut self, saved: types::Saved) -> Result<(), String>;
    fn snapshot(&mut self, id: ConnectionId) -> Result<types::Saved, String>;
    fn restore(
        &mut self,
        handle: connections::Connection,
        saved: types::Saved,
    ) -> Result<(), String>;
}

/// The consumers of an instance, of type `C`.
struct Consumers<C>(HashMap<ConnectionId, ConsumerAdapter<C>>);

/// Creates an instance with no consumers yet.
pub(super) fn create_consumers<C: Consumer>() -> Box<dyn ConsumerInstance> {
    Box::new(Consumers::<C>(HashMap::new()))
}

impl<C: Consumer> Consumers<C> {
    /// Runs an event of a consumer. A consumer that is gone ignores it.
    fn with(
        &self,
        id: ConnectionId,
        event: impl FnOnce(&ConsumerAdapter<C>) -> EventResult,
    ) -> EventResult {
        self.0.get(&id).map_or(Ok(types::Handling::Handled), event)
    }
}

impl<C: Consumer> ConsumerInstance for Consumers<C> {
    fn connect(
        &mut self,
        handle: connections::Connection,
        scope: types::Scope,
    ) -> Result<Decision, Refusal> {
        let id = handle.id;
        let (consumer, decision) = ConsumerAdapter::connect(scope, Connection::new(handle))?;
        self.0.insert(id, consumer);
        Ok(decision)
    }

    fn receive(&mut self, id: ConnectionId, frame: types::Frame) -> EventResult {
        self.with(id, |consumer| consumer.receive(frame).map(|()| types::Handling::Handled))
    }

    fn handle(&mut self, id: ConnectionId, message: &[u8]) -> EventResult {
        self.with(id, |consumer| consumer.handle(message))
    }

    fn timer(&mut self, id: ConnectionId, timer: u32) -> EventResult {
        self.with(id, |consumer| consumer.timer(timer).map(|()| types::Handling::Handled))
    }

    fn disconnect(&mut self, id: ConnectionId, closure: types::Closure) {
        if let Some(consumer) = self.0.remove(&id) {
            consumer.disconnect(closure);
        }
    }

    fn discard(&mut self, id: ConnectionId) {
        self.0.remove(&id);
    }

    fn alarm(&mut self) -> Result<(), String> {
        handle_alarm::<C>()
    }

    fn save_module(&mut self) -> Result<Option<types::Saved>, String> {
        save_module::<C>()
    }

    fn load_module(&mut self, saved: types::Saved) -> Result<(), String> {
        load_module::<C>(saved)
    }

    fn snapshot(&mut self, id: ConnectionId) -> Result<types::Saved, String> {
        let consumer = self.0.get(&id).ok_or("the consumer no longer exists")?;
        consumer.snapshot()
    }

    fn restore(
        &mut self,
        handle: connections::Connection,
        saved: types::Saved,
    ) -> Result<(), String> {
        let id = handle.id;
        let consumer = ConsumerAdapter::restore(Connection::new(handle), Some(saved))?;
        self.0.insert(id, consumer);
        Ok(())
    }
}
