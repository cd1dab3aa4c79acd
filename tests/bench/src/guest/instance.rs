//! An instance of the guest server, with the one consumer in it.

use tokio_tungstenite::tungstenite::Message;
use wasmtime::component::{Resource, ResourceAny};
use wasmtime::{Result, Store, bail, format_err};

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
        use fiber::exports::narrowboat::consumer::websocket as by_fiber;
        use plain::exports::narrowboat::consumer::websocket as by_plain_call;

        store.set_epoch_deadline(FIRST_TICK);
        let handle = Resource::new_own(1);
        match entry {
            Entry::Plain(component) => {
                let guest = component.instantiate(&mut store)?;
                let consumer = guest.narrowboat_consumer_websocket().consumer();
                let scope = scope!(by_plain_call::Scope);
                let accepted = consumer.call_connect(&mut store, scope, handle)?;
                let (consumer, _) = accepted.map_err(|_| format_err!("turned away"))?;
                Ok(Self { store, guest: Guest::Plain(guest), consumer })
            }
            Entry::Fiber(component) => {
                let guest = component.instantiate_async(&mut store).await?;
                let consumer = guest.narrowboat_consumer_websocket().consumer();
                let scope = scope!(by_fiber::Scope);
                let accepted = consumer.call_connect(&mut store, scope, handle).await?;
                let (consumer, _) = accepted.map_err(|_| format_err!("turned away"))?;
                Ok(Self { store, guest: Guest::Fiber(guest), consumer })
            }
        }
    }
}
