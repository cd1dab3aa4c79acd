//! An instance of the guest server, with its only consumer.

use tokio_tungstenite::tungstenite::Message;
use wasmtime::component::{Resource, ResourceAny};
use wasmtime::{Result, Store, format_err};

use super::bindings::plain::exports::narrowboat::consumer::websocket::{Frame, Scope};
use super::bindings::{fiber, plain};
use super::engine::EchoInstancePre;
use super::state::EchoState;

/// The ticks until a call is interrupted. The current tick may end at any time, so a call gets at least one whole tick.
const EPOCH_DEADLINE_TICKS: u64 = 2;

/// An instance, called in one of the two ways.
pub(super) struct EchoInstance {
    store: Store<EchoState>,
    bindings: EchoBindings,
    consumer: ResourceAny,
}

enum EchoBindings {
    Plain(plain::Echo),
    Fiber(fiber::Echo),
}

impl EchoInstance {
    pub(super) async fn new(mut store: Store<EchoState>, entry: &EchoInstancePre) -> Result<Self> {
        store.set_epoch_deadline(EPOCH_DEADLINE_TICKS);
        let handle = Resource::new_own(1);
        let (guest, accepted) = match entry {
            EchoInstancePre::Plain(entry) => {
                let guest = entry.instantiate(&mut store)?;
                let consumer = guest.narrowboat_consumer_websocket().consumer();
                let accepted = consumer.call_connect(&mut store, SCOPE, handle)?;
                (EchoBindings::Plain(guest), accepted.map(|(consumer, _)| consumer).ok())
            }
            EchoInstancePre::Fiber(entry) => {
                let guest = entry.instantiate_async(&mut store).await?;
                let consumer = guest.narrowboat_consumer_websocket().consumer();
                let accepted = consumer.call_connect(&mut store, SCOPE, handle).await?;
                (EchoBindings::Fiber(guest), accepted.map(|(consumer, _)| consumer).ok())
            }
        };
        let consumer = accepted.ok_or_else(|| format_err!("the consumer does not accept"))?;
        Ok(Self { store, bindings: guest, consumer })
    }

    /// Passes a text or binary message to the guest and returns the frames that it sends.
    pub(super) async fn receive(&mut self, message: &Message) -> Result<Vec<Message>> {
        let frame = match message {
            Message::Text(text) => Frame::Text(text),
            Message::Binary(bytes) => Frame::Binary(bytes),
            _ => return Ok(Vec::new()),
        };
        let Self { store, bindings: guest, consumer } = self;
        store.set_epoch_deadline(EPOCH_DEADLINE_TICKS);
        let result = match guest {
            EchoBindings::Plain(guest) => {
                let consumers = guest.narrowboat_consumer_websocket().consumer();
                consumers.call_receive(&mut *store, *consumer, frame)?
            }
            EchoBindings::Fiber(guest) => {
                let consumers = guest.narrowboat_consumer_websocket().consumer();
                consumers.call_receive(&mut *store, *consumer, frame).await?
            }
        };
        result.map_err(|error| format_err!("{error}"))?;
        Ok(std::mem::take(&mut store.data_mut().sent_messages))
    }
}

/// An empty scope, which the echo plugin does not read.
const SCOPE: Scope<'static> = Scope {
    scheme: "ws",
    path: "/",
    raw_path: b"/",
    query_string: b"",
    headers: &[],
    subprotocols: &[],
    client: None,
    server: None,
    url_route: &[],
    user: None,
    attributes: &[],
};
