//! Decides a handshake later, as the query string says. STEPS are separated by commas:
//!
//! - `accept`, `accept=SUBPROTOCOL`, `accept-badly`: accepts; badly, with a header that is reserved
//! - `reject=STATUS`, `reject-badly`: rejects with a header and a body; badly, with a status that is not allowed
//! - `send=TEXT`, `close=CODE`, `join=GROUP`, `wait=MILLISECONDS`
//! - `fail`, `blame`, `panic`, `spin`: returns an error that blames the plugin or the client, panics, never returns
//!
//! The query string has `now=STEPS` for the call of `connect`, which then answers `later`, or `sooner=STEPS` for one that
//! then accepts; and `timer=STEPS` for each timer. A message of type `perform` has STEPS. With `unsaved=1` the consumer
//! cannot be saved. Then `restarted=STEPS` is for the `connect` of the consumer that takes its place, which answers
//! `later` too.
//!
//! An open connection sends STEPS to a group with the text `tell GROUP STEPS`, and performs STEPS on all other connections
//! of its instance that wait with `others STEPS`. It replies to `count` with the counts of its instance as JSON, and echoes
//! every other text.

use std::cell::RefCell;
use std::hint::black_box;
use std::time::Duration;

use narrowboat_guest::prelude::*;
use serde_json::json;

/// The state of the module.
#[derive(Default, Serialize, Deserialize)]
struct PorterLog {
    /// The codes with which `disconnect` was called.
    disconnects: Vec<u16>,
    /// Consumers of this instance that were created and not dropped.
    #[serde(skip)]
    alive: u32,
    /// The channels of connections that wait.
    waiting: Vec<String>,
}

thread_local!(static LOG: RefCell<PorterLog> = RefCell::default());

fn with_log<T>(change: impl FnOnce(&mut PorterLog) -> T) -> T {
    LOG.with_borrow_mut(change)
}

#[derive(Serialize, Deserialize)]
struct Porter {
    channel: String,
    timer_steps: String,
    restored_count: u32,
    message_count: u32,
    is_unsaved: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Order {
    Perform { steps: String },
}

impl Porter {
    fn new(scope: &Scope, connection: &Connection) -> Self {
        let channel = connection.channel_name().to_owned();
        with_log(|log| {
            log.alive += 1;
            log.waiting.push(channel.clone());
        });
        let timer_steps = scope.query_param("timer").unwrap_or_default();
        let is_unsaved = scope.query_param("unsaved").is_some();
        Self { channel, timer_steps, restored_count: 0, message_count: 0, is_unsaved }
    }

    fn counts(&self) -> serde_json::Value {
        with_log(|log| {
            json!({
                "alive": log.alive,
                "waiting": log.waiting.len(),
                "disconnects": log.disconnects,
                "restored": self.restored_count,
                "messages": self.message_count,
            })
        })
    }
}

impl Drop for Porter {
    fn drop(&mut self) {
        with_log(|log| {
            log.alive -= 1;
            log.waiting.retain(|channel| *channel != self.channel);
        });
    }
}

impl Consumer for Porter {
    type Message = Order;

    fn connect(scope: &Scope, connection: &Connection) -> Result<Accept<Self>, Deny> {
        let consumer = Porter::new(scope, connection);
        if scope.is_restarted() {
            perform(connection, &scope.query_param("restarted").unwrap_or_default())?;
            return Ok(decide_later(consumer));
        }
        if let Some(steps) = scope.query_param("sooner") {
            perform(connection, &steps)?;
            return Ok(accept(consumer));
        }
        perform(connection, &scope.query_param("now").unwrap_or_default())?;
        Ok(decide_later(consumer))
    }

    fn receive_text(&mut self, connection: &Connection, text: String) -> Result<(), Error> {
        match text.split(' ').collect::<Vec<_>>()[..] {
            ["count"] => connection.send_json(&self.counts()),
            ["tell", group, steps] => {
                let order = Order::Perform { steps: steps.to_owned() };
                Ok(ChannelLayer::group_send(group, &order)?)
            }
            ["others", steps] => {
                let waiting = with_log(|log| log.waiting.clone());
                let others = waiting.iter().filter(|channel| **channel != self.channel);
                others
                    .filter_map(|channel| Connection::find(channel))
                    .try_for_each(|other| perform(&other, steps))
            }
            ["do", steps] => perform(connection, steps),
            _ => Ok(connection.send(text)?),
        }
    }

    fn handle(&mut self, connection: &Connection, message: Order) -> Result<(), Error> {
        let Order::Perform { steps } = message;
        self.message_count += 1;
        perform(connection, &steps)
    }

    fn timer(&mut self, connection: &Connection, _: TimerId) -> Result<(), Error> {
        perform(connection, &self.timer_steps)
    }

    fn disconnect(&mut self, _: &Connection, close: CloseFrame) {
        info!("disconnect with {}", close.code);
        with_log(|log| log.disconnects.push(close.code));
    }

    fn snapshot(&self) -> Result<Snapshot, Error> {
        if self.is_unsaved {
            return Err(Error::msg("this one cannot be saved"));
        }
        Snapshot::encode(Self::SCHEMA_VERSION, self)
    }

    fn after_restore(&mut self, _: &Connection) {
        self.restored_count += 1;
        with_log(|log| log.alive += 1);
    }

    fn save_module() -> Result<Option<Snapshot>, Error> {
        with_log(|log| Snapshot::encode(1, log)).map(Some)
    }

    fn load_module(snapshot: Snapshot) -> Result<(), Error> {
        let loaded = snapshot.decode()?;
        with_log(|log| *log = loaded);
        Ok(())
    }
}

fn perform(connection: &Connection, steps: &str) -> Result<(), Error> {
    steps.split(',').filter(|step| !step.is_empty()).try_for_each(|step| {
        let (name, value) = step.split_once('=').unwrap_or((step, ""));
        perform_step(connection, name, value)
    })
}

fn perform_step(connection: &Connection, name: &str, value: &str) -> Result<(), Error> {
    match name {
        "accept" if value.is_empty() => {
            connection.accept(Acceptance::new().header("x-porter", "welcome"));
        }
        "accept" => connection.accept(Acceptance::new().subprotocol(value)),
        "accept-badly" => connection.accept(Acceptance::new().header("upgrade", "no")),
        "reject" => {
            let denied = deny(value.parse().unwrap_or(403)).header("x-porter", "sorry");
            connection.reject(denied.body("not today\n"));
        }
        "reject-badly" => connection.reject(deny(200)),
        "send" => connection.send(value)?,
        "close" => connection.close(value.parse().unwrap_or(1000), "closed by the porter"),
        "join" => ChannelLayer::group_add(value, connection.channel_name())?,
        "wait" => {
            connection.set_timer(Duration::from_millis(value.parse().unwrap_or(0)))?;
        }
        "fail" => return Err(Error::msg("asked to fail")),
        "blame" => return Err(ClientError::new(4400, "asked to blame").into()),
        "panic" => panic!("asked to panic"),
        "spin" => loop {
            black_box(());
        },
        _ => return Err(Error::msg(format_args!("no such step: {name}"))),
    }
    Ok(())
}

narrowboat_guest::export!(Porter);
