//! Counts what it gets, in the consumer and in the module, and goes from version to version by a
//! plan that stands in its code. See `plan.rs` for how it fails.
//!
//! A text `count` is answered with what has been counted; `group NAME TEXT` sends to a group that
//! `join NAME` joined; `timer MS` answers when it fires; `all TEXT` goes to every client of the
//! instance; `leave` closes with 4000; any other text, and any binary frame, comes back with the counts before it.

mod plan;

use std::cell::{Cell, RefCell};

use narrowboat_guest::prelude::*;

/// Versions a consumer remembers, so that what it saves does not grow with each.
const PATH: usize = 4;

thread_local! {
    static TOTAL: Cell<u64> = const { Cell::new(0) };
    /// Events since this instance began, which goes to no other.
    static OWN: Cell<u64> = const { Cell::new(0) };
    static CLIENTS: RefCell<Vec<Connection>> = const { RefCell::new(Vec::new()) };
}

#[derive(Serialize, Deserialize)]
struct Traveller {
    count: u64,
    /// Versions it has been restored in, the last [`PATH`] of them.
    path: Vec<String>,
    restarted: bool,
    /// A client may ask for a failure of its own: `unsaved`, `unread`, `deadly`.
    #[serde(default)]
    ailment: String,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "type")]
enum Message {
    #[serde(rename = "group.text")]
    Text { text: String },
}

#[derive(Serialize)]
struct Counted<'a> {
    version: &'a str,
    count: u64,
    total: u64,
    clients: usize,
    path: &'a [String],
    restarted: bool,
    channel: &'a str,
}

impl Traveller {
    fn event(&mut self) -> Result<(), Error> {
        plan::work("busy");
        self.count += 1;
        TOTAL.set(TOTAL.get() + 1);
        OWN.set(OWN.get() + 1);
        let traps = plan::number("traps-at").is_some_and(|at| TOTAL.get().is_multiple_of(at))
            || plan::number("traps-at-own").is_some_and(|at| OWN.get() >= at);
        if traps {
            panic!("{} was told to trap at this event", plan::version());
        }
        while plan::number("loops-at").is_some_and(|at| TOTAL.get().is_multiple_of(at)) {}
        if plan::number("fails-at").is_some_and(|at| TOTAL.get().is_multiple_of(at)) {
            return Err(Error::msg("told to fail at this event"));
        }
        Ok(())
    }

    fn counted(&self, connection: &Connection) -> Result<(), Error> {
        connection.send_json(&Counted {
            version: plan::version(),
            count: self.count,
            total: TOTAL.get(),
            clients: CLIENTS.with_borrow(Vec::len),
            path: &self.path,
            restarted: self.restarted,
            channel: connection.channel_name(),
        })
    }
}

/// A number that a connection has for life: channel names end in random digits.
fn lot(connection: &Connection) -> u64 {
    let name = connection.channel_name();
    let digits = name.len().checked_sub(8).and_then(|at| name.get(at..));
    digits.and_then(|digits| u64::from_str_radix(digits, 16).ok()).unwrap_or(1)
}

impl Consumer for Traveller {
    type Message = Message;

    fn connect(scope: &Scope, connection: &Connection) -> Result<Accept<Self>, Deny> {
        plan::work("busy-connect");
        plan::at("connect").map_err(|_| deny(403))?;
        if plan::says("connect-errors") {
            return Err(Error::msg("told to return an error from connect").into());
        }
        CLIENTS.with_borrow_mut(|clients| clients.push(connection.clone()));
        let restarted = scope.restarted();
        if restarted {
            let _ = connection.send("restarted");
        }
        let ailment = String::new();
        Ok(accept(Traveller { count: 0, path: Vec::new(), restarted, ailment }))
    }

    fn receive_text(&mut self, connection: &Connection, text: String) -> Result<(), Error> {
        self.event()?;
        if plan::says("reads-json") {
            let read: Vec<String> = client_json(&text)?;
            return connection.send_json(&read);
        }
        let mut words = text.splitn(3, ' ');
        match (words.next(), words.next(), words.next()) {
            (Some("count"), ..) => self.counted(connection),
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
            (Some("ail"), Some(ailment), _) => {
                ailment.clone_into(&mut self.ailment);
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
        self.event()?;
        let mut answer = self.count.to_be_bytes().to_vec();
        answer.extend(bytes);
        Ok(connection.send(answer)?)
    }

    fn handle(&mut self, connection: &Connection, message: Message) -> Result<(), Error> {
        self.event()?;
        let Message::Text { text } = message;
        Ok(connection.send(text)?)
    }

    fn timer(&mut self, connection: &Connection, _: TimerId) -> Result<(), Error> {
        self.event()?;
        Ok(connection.send(format!("{} {} timer", plan::version(), self.count))?)
    }

    fn disconnect(&mut self, connection: &Connection, closure: Closure) {
        CLIENTS.with_borrow_mut(|clients| clients.retain(|client| client != connection));
        info!(
            "{} of {} disconnects with {}",
            connection.channel_name(),
            plan::version(),
            closure.code
        );
    }

    fn snapshot(&self) -> Result<Saved, Error> {
        plan::at("snapshot").map_err(Error::msg)?;
        if self.ailment == "unsaved" {
            return Err(Error::msg("this one cannot be saved"));
        }
        Saved::encode(Self::SCHEMA, self)
    }

    fn restore(connection: &Connection, saved: Saved) -> Result<Self, Error> {
        plan::work("busy-restore");
        plan::at("restore").map_err(Error::msg)?;
        let mut traveller: Self = saved.decode()?;
        if traveller.ailment == "unread" {
            return Err(Error::msg("this one cannot be read"));
        }
        if traveller.ailment == "deadly" {
            panic!("this one traps who reads it");
        }
        if plan::number("unread-every").is_some_and(|nth| lot(connection).is_multiple_of(nth)) {
            return Err(Error::msg("told not to read this one"));
        }
        if traveller.path.len() == PATH {
            traveller.path.remove(0);
        }
        traveller.path.push(plan::version().to_owned());
        Ok(traveller)
    }

    fn restored(&mut self, connection: &Connection) {
        CLIENTS.with_borrow_mut(|clients| clients.push(connection.clone()));
    }

    fn save_module() -> Result<Option<Saved>, Error> {
        plan::at("save").map_err(Error::msg)?;
        Ok(Some(Saved::encode(0, &TOTAL.get())?))
    }

    fn load_module(saved: Saved) -> Result<(), Error> {
        plan::at("load").map_err(Error::msg)?;
        TOTAL.set(saved.decode()?);
        if plan::number("unloadable") == Some(TOTAL.get()) {
            return Err(Error::msg("told not to take this total"));
        }
        Ok(())
    }
}

narrowboat_guest::export!(Traveller);
