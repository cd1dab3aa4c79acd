//! Runs one command for each text frame, with the standard library, and sends the result back. Any other frame is an
//! echo. It is built for WASI and without the guest SDK.

// The linkers of native libraries do not accept the names of its exports.
#![cfg(target_family = "wasm")]
#![allow(unsafe_code, missing_docs, reason = "generated code")]
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::exit, reason = "the commands do that")]

use std::cell::Cell;
use std::collections::hash_map::RandomState;
use std::fs::{self, File};
use std::hash::BuildHasher;
use std::io;
use std::net::{TcpListener, TcpStream, ToSocketAddrs};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use exports::narrowboat::consumer::websocket::{
    Acceptance, Closure, Connection, Consumer, ConsumerState, Decision, Error, Frame, Guest,
    GuestConsumer, Handling, Message, ModuleState, Refusal, SaveMode, Saved, Scope, TimerId,
};

wit_bindgen::generate!({ path: "../../../wit", world: "websocket-consumer", generate_all });

struct Module;

struct Commander {
    connection: Connection,
    received: Cell<u32>,
}

impl Guest for Module {
    type Consumer = Commander;

    fn save_module(_: SaveMode) -> Result<ModuleState, String> {
        Ok(ModuleState::None)
    }

    fn load_module(_: Saved) -> Result<(), String> {
        Ok(())
    }
}

impl GuestConsumer for Commander {
    fn connect(_: Scope, connection: Connection) -> Result<(Consumer, Decision), Refusal> {
        let consumer = Consumer::new(Commander { connection, received: Cell::new(0) });
        Ok((consumer, Decision::Accept(Acceptance { subprotocol: None, headers: Vec::new() })))
    }

    fn receive(&self, frame: Frame) -> Result<(), Error> {
        self.received.set(self.received.get() + 1);
        let reply = match frame {
            Frame::Text(text) if text == "count" => Frame::Text(self.received.get().to_string()),
            Frame::Text(text) => Frame::Text(run(&text).unwrap_or(text)),
            binary @ Frame::Binary(_) => binary,
        };
        self.connection.send(&reply).map_err(|problem| Error::Plugin(format!("{problem:?}")))
    }

    fn handle(&self, _: Message) -> Result<Handling, Error> {
        Ok(Handling::UnknownType)
    }

    fn timer(&self, _: TimerId) -> Result<(), Error> {
        Ok(())
    }

    fn disconnect(&self, _: Closure) {}

    fn snapshot(&self, _: SaveMode) -> Result<ConsumerState, String> {
        let state = self.received.get().to_le_bytes().to_vec();
        Ok(ConsumerState::Saved(Saved { schema: 1, state }))
    }

    fn restore(connection: Connection, saved: Option<Saved>) -> Result<Consumer, String> {
        let saved = saved.ok_or("the consumer has no state")?;
        let state = <[u8; 4]>::try_from(saved.state).map_err(|_| "the state has four bytes")?;
        let received = Cell::new(u32::from_le_bytes(state));
        Ok(Consumer::new(Commander { connection, received }))
    }
}

/// Returns the result of a command, or `None` for a text that is not a command.
fn run(command: &str) -> Option<String> {
    Some(match command {
        "print" => {
            println!("a line on stdout");
            eprintln!("a line on stderr");
            "printed".to_owned()
        }
        "time" => seconds_since_epoch().to_string(),
        "random" => RandomState::new().hash_one(0).to_string(),
        "sleep" => {
            let started = Instant::now();
            thread::sleep(Duration::from_millis(50));
            started.elapsed().as_secs_f64().to_string()
        }
        "env" => format!("{:?} {:?}", std::env::vars().collect::<Vec<_>>(), std::env::args()),
        "open" => kind_of_error(File::open("/etc/passwd")),
        "write" => kind_of_error(fs::write("/tmp/narrowboat", "text")),
        "list" => kind_of_error(fs::read_dir("/")),
        "connect" => kind_of_error(TcpStream::connect(("127.0.0.1", 80))),
        "listen" => kind_of_error(TcpListener::bind(("127.0.0.1", 0))),
        "resolve" => kind_of_error("localhost:80".to_socket_addrs()),
        "thread" => kind_of_error(thread::Builder::new().spawn(|| ())),
        "input" => format!("{:?}", io::read_to_string(io::stdin())),
        "exit" => std::process::exit(3),
        "fail" => panic!("asked to panic"),
        _ => return None,
    })
}

fn seconds_since_epoch() -> f64 {
    SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_secs_f64()
}

fn kind_of_error<T>(result: io::Result<T>) -> String {
    result.err().map_or_else(|| "no error".to_owned(), |error| format!("{:?}", error.kind()))
}

export!(Module);
