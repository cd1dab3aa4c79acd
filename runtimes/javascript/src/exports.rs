//! The functions that the host calls.

use rquickjs::{Object, Value};

use crate::Exports;
use crate::bindings::exports::narrowboat::consumer::alarms;
use crate::bindings::exports::narrowboat::consumer::batches::{self, ConsumerBorrow, Event};
use crate::bindings::exports::narrowboat::consumer::runtime::{
    self, Entries, File, Problem, Program,
};
use crate::bindings::exports::narrowboat::consumer::tests::{self, Test};
use crate::bindings::exports::narrowboat::consumer::websocket::{
    self, Closure, ConsumerState, Decision, GuestConsumer, ModuleState, Refusal, SaveMode, Saved,
};
use crate::bindings::exports::narrowboat::consumer::worker;
use crate::bindings::narrowboat::consumer::batch_progress::end_event;
use crate::bindings::narrowboat::consumer::connections::{Connection, TimerId};
use crate::bindings::narrowboat::consumer::types::{
    Acceptance, Error, Frame, Handling, Message, Rejection, Scope,
};
use crate::engine;
use crate::failure::Failure;
use crate::natives::{self, Bytes, Outcome, Text, read_headers};
use crate::{compiler, instance, message_pack, test_suite};

/// The version of the form of saved state.
const SCHEMA: u32 = 1;

/// The consumer of a connection, by the number of the connection.
pub struct Consumer(u32);

impl Drop for Consumer {
    fn drop(&mut self) {
        natives::remove_connection(self.0);
    }
}

impl Consumer {
    /// Runs an event of the connection.
    fn run<R>(
        &self,
        hook: &str,
        work: impl for<'js> FnOnce(&rquickjs::Ctx<'js>, rquickjs::Function<'js>) -> rquickjs::Result<R>,
    ) -> Result<R, Error> {
        natives::begin_event(self.0);
        let result = engine::run(hook, work);
        let outcome: Outcome = natives::end_event();
        let value = result.map_err(|failure| Error::Plugin(log_failure(failure)))?;
        outcome.map(|()| value)
    }

    fn handle_event(&self, event: Event) -> Result<Handling, Error> {
        match event {
            Event::Receive(frame) => self.receive(frame).map(|()| Handling::Handled),
            Event::Handle(message) => self.handle(message),
            Event::Timer(id) => self.timer(id).map(|()| Handling::Handled),
        }
    }
}

/// Writes a failure to the log, and returns its line for the host.
fn log_failure(failure: Failure) -> String {
    failure.log(None);
    failure.line
}

/// The refusal of a handshake whose `connect` has failed: a client that is to blame gets the reason.
fn refusal_of(error: Error) -> Refusal {
    match error {
        Error::Plugin(text) => Refusal::Plugin(text),
        Error::Client(error) => Refusal::Rejection(Rejection {
            status: 400,
            headers: vec![("content-type".to_owned(), b"text/plain; charset=utf-8".to_vec())],
            body: format!("{}\n", error.reason).into_bytes(),
        }),
    }
}

fn text_of(error: Error) -> String {
    match error {
        Error::Plugin(text) => text,
        Error::Client(error) => error.reason,
    }
}

impl GuestConsumer for Consumer {
    fn connect(
        scope: Scope,
        connection: Connection,
    ) -> Result<(websocket::Consumer, Decision), Refusal> {
        let consumer = Self(natives::add_connection(connection));
        let id = consumer.0;
        let connected = consumer.run("connect", |ctx, connect| {
            connect.call::<_, ()>((id, natives::scope_object(ctx, scope)?))
        });
        connected.map_err(refusal_of)?;
        let decision = engine::run("takeDecision", |_, take| read_decision(take.call((id,))?));
        match decision.map_err(|failure| Refusal::Plugin(failure.line))? {
            TakenDecision::Accept(acceptance) => {
                Ok((websocket::Consumer::new(consumer), Decision::Accept(acceptance)))
            }
            TakenDecision::Later => Ok((websocket::Consumer::new(consumer), Decision::Later)),
            TakenDecision::Reject(rejection) => Err(Refusal::Rejection(rejection)),
        }
    }

    fn receive(&self, frame: Frame) -> Result<(), Error> {
        self.run("receive", |_, receive| receive.call((self.0, natives::Frame(frame))))
    }

    fn handle(&self, message: Message) -> Result<Handling, Error> {
        let is_known: bool = self.run("handle", |ctx, handle| {
            handle.call((self.0, message_pack::unpack(ctx, &message)?))
        })?;
        Ok(if is_known { Handling::Handled } else { Handling::UnknownType })
    }

    fn timer(&self, id: TimerId) -> Result<(), Error> {
        self.run("timer", |_, timer| timer.call((self.0, id)))
    }

    fn disconnect(&self, closure: Closure) {
        // The failure is in the log, and there is no connection that it could end.
        let _ = self.run("disconnect", |_, disconnect| {
            disconnect.call::<_, ()>((self.0, closure.code, closure.reason))
        });
        natives::remove_connection(self.0);
    }

    fn snapshot(&self, mode: SaveMode) -> Result<ConsumerState, String> {
        let state = engine::run("snapshot", |_, snapshot| {
            read_state(snapshot.call((self.0, mode_number(mode)))?)
        });
        match state.map_err(|failure| failure.line)? {
            TakenState::Saved(state) => Ok(ConsumerState::Saved(Saved { schema: SCHEMA, state })),
            TakenState::Busy => Ok(ConsumerState::Busy),
            TakenState::None => {
                Ok(ConsumerState::Saved(Saved { schema: SCHEMA, state: Vec::new() }))
            }
        }
    }

    fn restore(
        connection: Connection,
        saved: Option<Saved>,
    ) -> Result<websocket::Consumer, String> {
        let consumer = Self(natives::add_connection(connection));
        let id = consumer.0;
        let state = saved.map(|saved| saved.state).filter(|state| !state.is_empty());
        consumer
            .run("restore", |_, restore| restore.call::<_, ()>((id, state.map(Bytes))))
            .map_err(text_of)?;
        Ok(websocket::Consumer::new(consumer))
    }
}

impl websocket::Guest for Exports {
    type Consumer = Consumer;

    fn save_module(mode: SaveMode) -> Result<ModuleState, String> {
        let state =
            engine::run("saveModule", |_, save| read_state(save.call((mode_number(mode),))?));
        Ok(match state.map_err(|failure| failure.line)? {
            TakenState::Saved(state) => ModuleState::WithConsumers(Saved { schema: SCHEMA, state }),
            TakenState::Busy => ModuleState::Busy,
            TakenState::None => ModuleState::None,
        })
    }

    fn load_module(saved: Saved) -> Result<(), String> {
        engine::run("loadModule", |_, load| load.call((Bytes(saved.state),)))
            .map_err(|failure| failure.line)
    }
}

impl batches::Guest for Exports {
    fn run(events: Vec<(ConsumerBorrow<'_>, Event)>) {
        for (consumer, event) in events {
            let ended = consumer.get::<Consumer>().handle_event(event);
            if !end_event(ended.as_ref()) {
                return;
            }
        }
    }
}

impl alarms::Guest for Exports {
    fn alarm() -> Result<(), String> {
        natives::begin_event(0);
        engine::run("alarm", |_, alarm| alarm.call::<_, ()>(())).map_err(log_failure)?;
        take_detached_failure()
    }
}

/// Fails if the code of the last call, which belongs to no connection, has thrown or waits.
fn take_detached_failure() -> Result<(), String> {
    engine::run("takeDetachedFailure", |_, take| take.call::<_, ()>(())).map_err(log_failure)
}

impl worker::Guest for Exports {
    fn handle(channel: String, message: Message) -> Result<Handling, String> {
        natives::begin_event(0);
        let handled = engine::run("work", |ctx, work| {
            work.call((channel, message_pack::unpack(ctx, &message)?))
        });
        let is_known: bool = handled.map_err(log_failure)?;
        take_detached_failure()?;
        Ok(if is_known { Handling::Handled } else { Handling::UnknownType })
    }
}

impl runtime::Guest for Exports {
    fn compile(files: Vec<File>, entries: Entries) -> Result<Program, Vec<Problem>> {
        let program = compiler::compile(files, entries)?;
        Ok(Program {
            has_consumer: program.consumer.is_some(),
            has_worker: program.worker.is_some(),
            code: program.encode(),
        })
    }

    fn load(code: Vec<u8>) -> Result<(), Vec<Problem>> {
        instance::load(&code)
    }
}

impl tests::Guest for Exports {
    fn collect(files: Vec<File>) -> Result<Vec<Test>, Vec<Problem>> {
        test_suite::collect(files)
    }

    fn run(name: String) -> tests::Outcome {
        test_suite::run(&name)
    }
}

fn mode_number(mode: SaveMode) -> u8 {
    match mode {
        SaveMode::Trial => 0,
        SaveMode::Move => 1,
        SaveMode::ForcedMove => 2,
    }
}

enum TakenDecision {
    Accept(Acceptance),
    Later,
    Reject(Rejection),
}

/// Reads the decision: null, or an object with a status for a rejection.
fn read_decision(decision: Option<Object<'_>>) -> rquickjs::Result<TakenDecision> {
    let Some(decision) = decision else { return Ok(TakenDecision::Later) };
    let headers = read_headers(decision.get("headers")?);
    let Some(status) = decision.get::<_, Option<u16>>("status")? else {
        let subprotocol = decision.get::<_, Option<Text>>("subprotocol")?.map(|text| text.0);
        return Ok(TakenDecision::Accept(Acceptance { subprotocol, headers }));
    };
    let Bytes(body) = decision.get("body")?;
    Ok(TakenDecision::Reject(Rejection { status, headers, body }))
}

enum TakenState {
    Saved(Vec<u8>),
    Busy,
    None,
}

/// Reads a state: null for none, true for busy, or the bytes.
fn read_state(state: Value<'_>) -> rquickjs::Result<TakenState> {
    if state.as_bool() == Some(true) {
        return Ok(TakenState::Busy);
    }
    Ok(natives::copy_bytes(&state).map_or(TakenState::None, TakenState::Saved))
}
