//! An instance of the guest server, with the one consumer in it.

use tokio_tungstenite::tungstenite::Message;
use wasmtime::component::{Resource, ResourceAny};
use wasmtime::{Result, Store, format_err};

use super::bindings::plain::exports::narrowboat::consumer::websocket::{Frame, Scope};
use super::bindings::{fiber, plain};
use super::engine::Entry;
use super::state::GuestState;

/// Ticks until the clock looks at a call: the running one ends anytime, the next is a whole one.
const FIRST_TICK: u64 = 2;

/// An instance, entered in one of the two ways.
pub(super) struct Instance {
    store: Store<GuestState>,
    guest: Guest,
    consumer: ResourceAny,
}

enum Guest {
    Plain(plain::Echo),
    Fiber(fiber::Echo),
}

impl Instance {
    pub(super) async fn new(mut store: Store<GuestState>, entry: &Entry) -> Result<Self> {
        store.set_epoch_deadline(FIRST_TICK);
        let handle = Resource::new_own(1);
        let (guest, accepted) = match entry {
            Entry::Plain(entry) => {
                let guest = entry.instantiate(&mut store)?;
                let consumer = guest.narrowboat_consumer_websocket().consumer();
                let accepted = consumer.call_connect(&mut store, SCOPE, handle)?;
                (Guest::Plain(guest), accepted.map(|(consumer, _)| consumer).ok())
            }
            Entry::Fiber(entry) => {
                let guest = entry.instantiate_async(&mut store).await?;
                let consumer = guest.narrowboat_consumer_websocket().consumer();
                let accepted = consumer.call_connect(&mut store, SCOPE, handle).await?;
                (Guest::Fiber(guest), accepted.map(|(consumer, _)| consumer).ok())
            }
        };
        let consumer = accepted.ok_or_else(|| format_err!("the consumer does not accept"))?;
        Ok(Self { store, guest, consumer })
    }

    /// Takes a message into the guest, if it is one for it, and gives what it sends.
    pub(super) async fn receive(&mut self, message: &Message) -> Result<Vec<Message>> {
        let frame = match message {
            Message::Text(text) => Frame::Text(text),
            Message::Binary(bytes) => Frame::Binary(bytes),
            _ => return Ok(Vec::new()),
        };
        let Self { store, guest, consumer } = self;
        store.set_epoch_deadline(FIRST_TICK);
        let answer = match guest {
            Guest::Plain(guest) => {
                let consumers = guest.narrowboat_consumer_websocket().consumer();
                consumers.call_receive(&mut *store, *consumer, frame)?
            }
            Guest::Fiber(guest) => {
                let consumers = guest.narrowboat_consumer_websocket().consumer();
                consumers.call_receive(&mut *store, *consumer, frame).await?
            }
        };
        answer.map_err(|problem| format_err!("{problem}"))?;
        Ok(std::mem::take(&mut store.data_mut().sent))
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
