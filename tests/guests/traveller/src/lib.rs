//! Counts events, in the consumer and in the module, and moves between versions. A plan in its code says how it fails;
//! see `plan.rs`.
//!
//! The commands in a text:
//!
//! - `count`: replies with the counts as JSON
//! - `join NAME`: joins a group
//! - `group NAME TEXT`: sends the text to a group
//! - `timer MS`: replies when the timer fires
//! - `ail MODE`: sets the consumer's failure mode
//! - `all TEXT`: sends the whole text to every client of the instance
//! - `leave`: closes with 4000
//!
//! It sends back any other text with the version and its count in front, and a binary frame with its count in front.

mod plan;

use std::cell::{Cell, RefCell};

use narrowboat_guest::prelude::*;

/// The number of versions that a consumer remembers. The limit keeps the snapshot from growing with each version.
const MAX_VERSION_HISTORY: usize = 4;

thread_local! {
    /// The number of events of the module, which `save_module` saves.
    static MODULE_EVENTS: Cell<u64> = const { Cell::new(0) };
    /// The number of events of this instance. It does not move to another version.
    static INSTANCE_EVENTS: Cell<u64> = const { Cell::new(0) };
    static CLIENTS: RefCell<Vec<Connection>> = const { RefCell::new(Vec::new()) };
}

#[derive(Serialize, Deserialize)]
struct CountingConsumer {
    count: u64,
    /// The last [`MAX_VERSION_HISTORY`] versions that restored this consumer.
    version_history: Vec<String>,
    restarted: bool,
    /// The failure that the client asked for: `unsaved`, `unread`, `deadly`, or empty.
    #[serde(default)]
    failure_mode: String,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "type")]
enum Message {
    #[serde(rename = "group.text")]
    Text { text: String },
}

#[derive(Serialize)]
struct CountReport<'a> {
    version: &'a str,
    count: u64,
    total: u64,
    clients: usize,
    path: &'a [String],
    restarted: bool,
    channel: &'a str,
}

impl CountingConsumer {
    fn record_event(&mut self) -> Result<(), Error> {
        plan::burn_cpu("busy");
        self.count += 1;
        MODULE_EVENTS.set(MODULE_EVENTS.get() + 1);
        INSTANCE_EVENTS.set(INSTANCE_EVENTS.get() + 1);
        let traps = plan::numeric_directive("traps-at")
            .is_some_and(|at| MODULE_EVENTS.get().is_multiple_of(at))
            || plan::numeric_directive("traps-at-own")
                .is_some_and(|at| INSTANCE_EVENTS.get() >= at);
        if traps {
            panic!("{} was told to trap at this event", plan::version());
        }
        while plan::numeric_directive("loops-at")
            .is_some_and(|at| MODULE_EVENTS.get().is_multiple_of(at))
        {}
        if plan::numeric_directive("fails-at")
            .is_some_and(|at| MODULE_EVENTS.get().is_multiple_of(at))
        {
            return Err(Error::msg("told to fail at this event"));
        }
        Ok(())
    }

    fn send_counts(&self, connection: &Connection) -> Result<(), Error> {
        connection.send_json(&CountReport {
            version: plan::version(),
            count: self.count,
            total: MODULE_EVENTS.get(),
            clients: CLIENTS.with_borrow(Vec::len),
            path: &self.version_history,
            restarted: self.restarted,
            channel: connection.channel_name(),
        })
    }
}

/// A number that stays the same for the life of a connection: channel names end in random digits.
fn connection_number(connection: &Connection) -> u64 {
    let name = connection.channel_name();
    let digits = name.len().checked_sub(8).and_then(|at| name.get(at..));
    digits.and_then(|digits| u64::from_str_radix(digits, 16).ok()).unwrap_or(1)
}

impl Consumer for CountingConsumer {
    type Message = Message;

    fn connect(scope: &Scope, connection: &Connection) -> Result<Accept<Self>, Deny> {
        plan::burn_cpu("busy-connect");
        plan::fail_if_planned("connect").map_err(|_| deny(403))?;
        if plan::has_directive("connect-errors") {
            return Err(Error::msg("told to return an error from connect").into());
        }
        CLIENTS.with_borrow_mut(|clients| clients.push(connection.clone()));
        let restarted = scope.is_restarted();
        if restarted {
            let _ = connection.send("restarted");
        }
        Ok(accept(CountingConsumer {
            count: 0,
            version_history: Vec::new(),
            restarted,
            failure_mode: String::new(),
        }))
    }

    fn receive_text(&mut self, connection: &Connection, text: String) -> Result<(), Error> {
        self.record_event()?;
        if plan::has_directive("reads-json") {
            let parsed: Vec<String> = parse_client_json(&text)?;
            return connection.send_json(&parsed);
        }
        let mut words = text.splitn(3, ' ');
        match (words.next(), words.next(), words.next()) {
            (Some("count"), ..) => self.send_counts(connection),
            (Some("join"), Some(group), _) => {
                Ok(ChannelLayer::group_add(group, connection.channel_name())?)
            }
            (Some("group"), Some(group), Some(text)) => {
                Ok(ChannelLayer::group_send(group, &Message::Text { text: text.to_owned() })?)
            }
            (Some("timer"), Some(ms), _) => {
                connection.set_timer(std::time::Duration::from_millis(ms.parse()?))?;
                Ok(())
            }
            (Some("ail"), Some(mode), _) => {
                mode.clone_into(&mut self.failure_mode);
                Ok(())
            }
            (Some("all"), ..) => {
                CLIENTS.with_borrow(|clients| send_many(clients, text));
                Ok(())
            }
            (Some("leave"), ..) => {
                connection.close(4000, "asked to");
                Ok(())
            }
            _ => Ok(connection.send(format!("{} {} {text}", plan::version(), self.count))?),
        }
    }

    fn receive_binary(&mut self, connection: &Connection, bytes: Vec<u8>) -> Result<(), Error> {
        self.record_event()?;
        let mut reply = self.count.to_be_bytes().to_vec();
        reply.extend(bytes);
        Ok(connection.send(reply)?)
    }

    fn handle(&mut self, connection: &Connection, message: Message) -> Result<(), Error> {
        self.record_event()?;
        let Message::Text { text } = message;
        Ok(connection.send(text)?)
    }

    fn timer(&mut self, connection: &Connection, _: TimerId) -> Result<(), Error> {
        self.record_event()?;
        Ok(connection.send(format!("{} {} timer", plan::version(), self.count))?)
    }

    fn disconnect(&mut self, connection: &Connection, close: CloseFrame) {
        CLIENTS.with_borrow_mut(|clients| clients.retain(|client| client != connection));
        info!(
            "{} of {} disconnects with {}",
            connection.channel_name(),
            plan::version(),
            close.code
        );
    }

    fn snapshot(&self) -> Result<Snapshot, Error> {
        plan::fail_if_planned("snapshot").map_err(Error::msg)?;
        if self.failure_mode == "unsaved" {
            return Err(Error::msg("this one cannot be saved"));
        }
        Snapshot::encode(Self::SCHEMA_VERSION, self)
    }

    fn restore(connection: &Connection, saved: Snapshot) -> Result<Self, Error> {
        plan::burn_cpu("busy-restore");
        plan::fail_if_planned("restore").map_err(Error::msg)?;
        let mut consumer: Self = saved.decode()?;
        if consumer.failure_mode == "unread" {
            return Err(Error::msg("this one cannot be read"));
        }
        if consumer.failure_mode == "deadly" {
            panic!("asked to trap in restore");
        }
        if plan::numeric_directive("unread-every")
            .is_some_and(|nth| connection_number(connection).is_multiple_of(nth))
        {
            return Err(Error::msg("told not to read this one"));
        }
        if consumer.version_history.len() == MAX_VERSION_HISTORY {
            consumer.version_history.remove(0);
        }
        consumer.version_history.push(plan::version().to_owned());
        Ok(consumer)
    }

    fn after_restore(&mut self, connection: &Connection) {
        CLIENTS.with_borrow_mut(|clients| clients.push(connection.clone()));
    }

    fn save_module() -> Result<Option<Snapshot>, Error> {
        plan::fail_if_planned("save").map_err(Error::msg)?;
        Ok(Some(Snapshot::encode(0, &MODULE_EVENTS.get())?))
    }

    fn load_module(saved: Snapshot) -> Result<(), Error> {
        plan::fail_if_planned("load").map_err(Error::msg)?;
        MODULE_EVENTS.set(saved.decode()?);
        if plan::numeric_directive("unloadable") == Some(MODULE_EVENTS.get()) {
            return Err(Error::msg("told not to take this total"));
        }
        Ok(())
    }
}

narrowboat_guest::export!(CountingConsumer);
