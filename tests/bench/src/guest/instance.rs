//! An instance of the guest server, with the one consumer in it.

use tokio_tungstenite::tungstenite::Message;
use wasmtime::component::{Resource, ResourceAny};
use wasmtime::{Result, Store, format_err};

use super::bindings::plain::exports::narrowboat::consumer::websocket::{Frame, Scope};
use super::bindings::{fiber, plain};
use super::engine::EchoInstancePre;
use super::state::EchoState;

/// Ticks until the clock looks at a call: the running one ends anytime, the next is a whole one.
const EPOCH_DEADLINE_TICKS: u64 = 2;

/// An instance, entered in one of the two ways.
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

    /// Takes a message into the guest, if it is one for it, and gives what it sends.
    pub(super) async fn receive(&mut self, message: &Message) -> Result<Vec<Message>> {
        let frame = match message {
            Message::Text(text) => Frame::Text(text),
            Message::Binary(bytes) => Frame::Binary(bytes),
            _ => return Ok(Vec::new()),
        };
        let Self { store, bindings: guest, consumer } = self;
        store.set_epoch_deadline(EPOCH_DEADLINE_TICKS);
        let answer = match guest {
            EchoBindings::Plain(guest) => {
                let consumers = guest.narrowboat_consumer_websocket().consumer();
                consumers.call_receive(&mut *store, *consumer, frame)?
            }
            EchoBindings::Fiber(guest) => {
                let consumers = guest.narrowboat_consumer_websocket().consumer();
                consumers.call_receive(&mut *store, *consumer, frame).await?
            }
        };
        answer.map_err(|problem| format_err!("{problem}"))?;
        Ok(std::mem::take(&mut store.data_mut().sent_messages))
    }
}

/// Of no interest to an echo.
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
