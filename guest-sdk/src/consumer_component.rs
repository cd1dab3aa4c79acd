use std::marker::PhantomData;

use crate::consumer::Consumer;

/// The component that `export!` exports. Its consumers are of type `C`.
pub struct ConsumerComponent<C>(PhantomData<C>);

impl<C: Consumer> ConsumerComponent<C> {
    /// Checks at compile time that `C` is a consumer, and does nothing at run time.
    pub const fn checked() -> Option<Self> {
        None
    }
}

#[cfg(target_family = "wasm")]
mod exports {
    use super::ConsumerComponent;
    use crate::{
        bindings::{
            exports::narrowboat::consumer::{
                alarms,
                batches::{self, ConsumerBorrow, Event},
                websocket::{self, Guest, GuestConsumer},
            },
            narrowboat::consumer::{batch_progress::end_event, connections, types},
        },
        connection::Connection,
        consumer::Consumer,
        consumer_adapter::{ConsumerAdapter, handle_alarm, load_module, save_module},
        panic,
    };

    impl<C: Consumer> Guest for ConsumerComponent<C> {
        type Consumer = ConsumerAdapter<C>;

        fn save_module(_: types::SaveMode) -> Result<websocket::ModuleState, String> {
            panic::install_hook();
            let saved = save_module::<C>()?;
            Ok(saved.map_or(websocket::ModuleState::None, websocket::ModuleState::Shared))
        }

        fn load_module(saved: types::Saved) -> Result<(), String> {
            panic::install_hook();
            load_module::<C>(saved)
        }
    }

    impl<C: Consumer> alarms::Guest for ConsumerComponent<C> {
        fn alarm() -> Result<(), String> {
            panic::install_hook();
            handle_alarm::<C>()
        }
    }

    impl<C: Consumer> batches::Guest for ConsumerComponent<C> {
        fn run(events: Vec<(ConsumerBorrow<'_>, Event)>) {
            for (consumer, event) in events {
                let ended = consumer.get::<ConsumerAdapter<C>>().handle_event(event);
                if !end_event(ended.as_ref()) {
                    return;
                }
            }
        }
    }

    impl<C: Consumer> ConsumerAdapter<C> {
        fn handle_event(&self, event: Event) -> Result<types::Handling, types::Error> {
            match event {
                Event::Receive(frame) => self.receive(frame).map(|()| types::Handling::Handled),
                Event::Handle(message) => self.handle(&message),
                Event::Timer(id) => self.timer(id).map(|()| types::Handling::Handled),
            }
        }
    }

    impl<C: Consumer> GuestConsumer for ConsumerAdapter<C> {
        fn connect(
            scope: types::Scope,
            connection: connections::Connection,
        ) -> Result<(websocket::Consumer, websocket::Decision), websocket::Refusal> {
            panic::install_hook();
            let (adapter, decision) = Self::connect(scope, Connection::new(connection))?;
            Ok((websocket::Consumer::new(adapter), decision))
        }

        fn receive(&self, frame: types::Frame) -> Result<(), types::Error> {
            self.receive(frame)
        }

        fn handle(&self, message: types::Message) -> Result<types::Handling, types::Error> {
            self.handle(&message)
        }

        fn timer(&self, id: connections::TimerId) -> Result<(), types::Error> {
            self.timer(id)
        }

        fn disconnect(&self, closure: types::Closure) {
            self.disconnect(closure);
        }

        fn snapshot(&self, _: types::SaveMode) -> Result<websocket::ConsumerState, String> {
            self.snapshot().map(websocket::ConsumerState::Saved)
        }

        fn restore(
            connection: connections::Connection,
            saved: Option<types::Saved>,
        ) -> Result<websocket::Consumer, String> {
            panic::install_hook();
            Self::restore(Connection::new(connection), saved).map(websocket::Consumer::new)
        }
    }
}
