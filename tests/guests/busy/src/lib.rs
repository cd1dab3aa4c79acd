//! Postpones its move to another version, as the texts of its clients say. It is built without the guest SDK, whose
//! consumers are never busy.
//!
//! - `busy N`, `module-busy N`: the consumer, or its module, answers `busy` until the connection has had N further events
//! - `stubborn`: the consumer answers `busy` in any mode
//! - `unsaved`: the consumer cannot be saved
//! - `with-consumers`: the module saves its consumers with itself
//! - `note TEXT`: replaces the note of the consumer
//! - `timer MS`: sets a timer, which is an event
//! - `told`: replies with the state of the consumer and of the module as JSON
//!
//! Each other text is an echo. `?busy=N` in the query string is `busy N` in `connect`, which also joins the group `busy`.

// The linkers of native libraries do not accept the names of its exports.
#![cfg(target_family = "wasm")]
#![allow(unsafe_code, missing_docs, reason = "generated code")]

use std::cell::RefCell;

use exports::narrowboat::consumer::websocket::{
    Acceptance, Closure, Connection, Consumer, ConsumerState, Decision, Error, Frame, Guest,
    GuestConsumer, Handling, Message, ModuleState, Refusal, SaveMode, Saved, Scope, TimerId,
};
use narrowboat::consumer::channel_layer::group_add;
use serde_json::{Map, Value, json};

wit_bindgen::generate!({ path: "../../../wit", world: "websocket-consumer", generate_all });

struct Module;

thread_local!(static MODULE: RefCell<Value> = RefCell::new(new_module()));

/// The state that the consumers share: a JSON object.
fn new_module() -> Value {
    json!({ "busy": 0, "with-consumers": false, "modes": [], "loads": 0, "consumers": {} })
}

fn with_module<T>(change: impl FnOnce(&mut Value) -> T) -> T {
    MODULE.with_borrow_mut(change)
}

struct Waiter {
    connection: Connection,
    /// The state: a JSON object.
    state: RefCell<Value>,
}

fn encode(state: &Value) -> Saved {
    Saved { schema: 1, state: state.to_string().into_bytes() }
}

fn decode(saved: &Saved) -> Result<Value, String> {
    serde_json::from_slice(&saved.state).map_err(|error| error.to_string())
}

fn record_mode(state: &mut Value, mode: SaveMode) {
    let name = match mode {
        SaveMode::Trial => "trial",
        SaveMode::Move => "move",
        SaveMode::ForcedMove => "forced-move",
    };
    if let Some(modes) = state["modes"].as_array_mut() {
        modes.push(name.into());
    }
}

fn count(state: &Value, key: &str) -> u64 {
    state[key].as_u64().unwrap_or(0)
}

fn count_down(state: &mut Value) {
    state["busy"] = count(state, "busy").saturating_sub(1).into();
}

fn is_busy(state: &Value, mode: SaveMode) -> bool {
    mode == SaveMode::Move && count(state, "busy") > 0
}

impl Guest for Module {
    type Consumer = Waiter;

    fn save_module(mode: SaveMode) -> Result<ModuleState, String> {
        with_module(|module| {
            record_mode(module, mode);
            if is_busy(module, mode) {
                return Ok(ModuleState::Busy);
            }
            let mut saved = module.clone();
            if module["with-consumers"] == true {
                return Ok(ModuleState::WithConsumers(encode(&saved)));
            }
            saved["consumers"] = json!({});
            Ok(ModuleState::Shared(encode(&saved)))
        })
    }

    fn load_module(saved: Saved) -> Result<(), String> {
        let mut loaded = decode(&saved)?;
        loaded["loads"] = (count(&loaded, "loads") + 1).into();
        with_module(|module| *module = loaded);
        Ok(())
    }
}

impl Waiter {
    fn new(connection: Connection, state: Value) -> Consumer {
        let waiter = Self { connection, state: RefCell::new(state) };
        waiter.keep();
        Consumer::new(waiter)
    }

    /// Copies the state into the state of the module, for a module that saves its consumers.
    fn keep(&self) {
        let state = self.state.borrow().clone();
        with_module(|module| module["consumers"][self.connection.channel_name()] = state);
    }

    fn run(&self, text: &str) -> Result<(), Error> {
        let (command, value) = text.split_once(' ').unwrap_or((text, ""));
        let number = value.parse::<u32>().unwrap_or(0);
        let reply = match command {
            "busy" => return self.set("busy", number.into()),
            "stubborn" => return self.set("stubborn", true.into()),
            "unsaved" => return self.set("unsaved", true.into()),
            "note" => return self.set("note", value.into()),
            "module-busy" => {
                with_module(|module| module["busy"] = number.into());
                return Ok(());
            }
            "with-consumers" => {
                with_module(|module| module["with-consumers"] = true.into());
                return Ok(());
            }
            "timer" => {
                let timer = self.connection.set_timer(number);
                return timer.map(drop).map_err(|error| Error::Plugin(format!("{error:?}")));
            }
            "told" => self.describe(),
            _ => text.to_owned(),
        };
        let sent = self.connection.send(&Frame::Text(reply));
        sent.map_err(|error| Error::Plugin(format!("{error:?}")))
    }

    fn set(&self, key: &str, value: Value) -> Result<(), Error> {
        self.state.borrow_mut()[key] = value;
        Ok(())
    }

    fn describe(&self) -> String {
        let mut module = with_module(|module| module.clone());
        let consumers = module["consumers"].as_object().map_or(0, Map::len);
        module["consumers"] = consumers.into();
        json!({ "consumer": *self.state.borrow(), "module": module }).to_string()
    }

    fn count_event(&self) {
        count_down(&mut self.state.borrow_mut());
        with_module(count_down);
    }
}

impl GuestConsumer for Waiter {
    fn connect(scope: Scope, connection: Connection) -> Result<(Consumer, Decision), Refusal> {
        let query = String::from_utf8_lossy(&scope.query_string);
        let busy = query.strip_prefix("busy=").and_then(|count| count.parse::<u32>().ok());
        if busy.is_some() {
            group_add("busy", &connection.channel_name())
                .map_err(|error| Refusal::Plugin(format!("{error:?}")))?;
        }
        let busy = busy.unwrap_or(0);
        let state = json!({ "busy": busy, "modes": [], "restores": [], "note": "" });
        let acceptance = Acceptance { subprotocol: None, headers: Vec::new() };
        Ok((Waiter::new(connection, state), Decision::Accept(acceptance)))
    }

    fn receive(&self, frame: Frame) -> Result<(), Error> {
        self.count_event();
        if let Frame::Text(text) = frame {
            self.run(&text)?;
        }
        self.keep();
        Ok(())
    }

    fn handle(&self, _: Message) -> Result<Handling, Error> {
        Ok(Handling::UnknownType)
    }

    fn timer(&self, _: TimerId) -> Result<(), Error> {
        self.count_event();
        self.keep();
        Ok(())
    }

    fn disconnect(&self, _: Closure) {
        let channel = self.connection.channel_name();
        with_module(|module| module["consumers"].as_object_mut().map(|all| all.remove(&channel)));
    }

    fn snapshot(&self, mode: SaveMode) -> Result<ConsumerState, String> {
        let mut state = self.state.borrow_mut();
        record_mode(&mut state, mode);
        if state["unsaved"] == true {
            return Err("this one cannot be saved".to_owned());
        }
        if is_busy(&state, mode) || state["stubborn"] == true {
            return Ok(ConsumerState::Busy);
        }
        Ok(ConsumerState::Saved(encode(&state)))
    }

    fn restore(connection: Connection, saved: Option<Saved>) -> Result<Consumer, String> {
        let (from, mut state) = match saved {
            Some(saved) => ("consumer", decode(&saved)?),
            None => {
                let channel = connection.channel_name();
                let state = with_module(|module| module["consumers"][channel].take());
                ("module", state)
            }
        };
        let restores = state["restores"].as_array_mut().ok_or("there is no state")?;
        restores.push(from.into());
        Ok(Waiter::new(connection, state))
    }
}

export!(Module);
