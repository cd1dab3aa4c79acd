//! Breaks the rules of batches of events, as the texts of its clients say. It is built without the guest SDK, which keeps
//! them.
//!
//! - `return`: in a batch, returns before it has ended the event
//! - `end-again`: in a batch, ends the event twice, and goes on after the last one
//! - `end-outside`: in a call of its own, ends an event
//! - `trap-after`: in a batch, traps after it has ended the event, if no other one follows
//!
//! Each other text is an echo, with the number of events of its batch in front; 1 in a call of its own.

// The linkers of native libraries do not accept the names of its exports.
#![cfg(target_family = "wasm")]
#![allow(unsafe_code, missing_docs, reason = "generated code")]

use exports::narrowboat::consumer::batches::{self, ConsumerBorrow, Event};
use exports::narrowboat::consumer::websocket::{
    Acceptance, Closure, Connection, Consumer, ConsumerState, Decision, Error, Frame, Guest,
    GuestConsumer, Handling, Message, ModuleState, Refusal, SaveMode, Saved, Scope, TimerId,
};
use narrowboat::consumer::batch_progress::end_event;

wit_bindgen::generate!({ path: "../../../wit", world: "batching-consumer", generate_all });

struct Module;

struct Echo(Connection);

impl Guest for Module {
    type Consumer = Echo;

    fn save_module(_: SaveMode) -> Result<ModuleState, String> {
        Ok(ModuleState::None)
    }

    fn load_module(_: Saved) -> Result<(), String> {
        Ok(())
    }
}

impl Echo {
    fn reply(&self, text: &str, batch: usize) -> Result<(), Error> {
        let reply = Frame::Text(format!("{batch} {text}"));
        self.0.send(&reply).map_err(|error| Error::Plugin(format!("{error:?}")))
    }
}

impl batches::Guest for Module {
    fn run(events: Vec<(ConsumerBorrow<'_>, Event)>) {
        let batch = events.len();
        for (consumer, event) in events {
            let Event::Receive(Frame::Text(text)) = event else { continue };
            if text == "return" {
                return;
            }
            let result = consumer.get::<Echo>().reply(&text, batch);
            let goes_on = end_event(result.as_ref().map(|()| &Handling::Handled));
            match text.as_str() {
                "end-again" => _ = end_event(Ok(&Handling::Handled)),
                "trap-after" if !goes_on => std::process::abort(),
                _ if goes_on => {}
                _ => return,
            }
        }
    }
}

impl GuestConsumer for Echo {
    fn connect(_: Scope, connection: Connection) -> Result<(Consumer, Decision), Refusal> {
        let acceptance = Acceptance { subprotocol: None, headers: Vec::new() };
        Ok((Consumer::new(Self(connection)), Decision::Accept(acceptance)))
    }

    fn receive(&self, frame: Frame) -> Result<(), Error> {
        let Frame::Text(text) = frame else { return Ok(()) };
        if text == "end-outside" {
            end_event(Ok(&Handling::Handled));
        }
        self.reply(&text, 1)
    }

    fn handle(&self, _: Message) -> Result<Handling, Error> {
        Ok(Handling::UnknownType)
    }

    fn timer(&self, _: TimerId) -> Result<(), Error> {
        Ok(())
    }

    fn disconnect(&self, _: Closure) {}

    fn snapshot(&self, _: SaveMode) -> Result<ConsumerState, String> {
        Ok(ConsumerState::Saved(Saved { schema: 1, state: Vec::new() }))
    }

    fn restore(connection: Connection, _: Option<Saved>) -> Result<Consumer, String> {
        Ok(Consumer::new(Self(connection)))
    }
}

export!(Module);
