//! Goes wrong in the way that a text names; `ok` is answered with `ok`. The ways are in `ways.rs`.

mod ways;

use narrowboat_guest::prelude::*;

#[derive(Serialize, Deserialize)]
struct Misbehave {
    at_end: AtEnd,
    /// What there is more to save.
    ballast: String,
}

/// What `disconnect` does.
#[derive(Clone, Copy, Serialize, Deserialize)]
enum AtEnd {
    Nothing,
    Trap,
    Loop,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "type")]
enum Message {
    #[serde(rename = "misbehave.trap")]
    Trap,
    #[serde(rename = "misbehave.again")]
    Again,
    #[serde(rename = "misbehave.blame")]
    Blame { code: u16 },
}

impl Consumer for Misbehave {
    type Message = Message;

    fn connect(_: &Scope, _: &Connection) -> Result<Accept<Self>, Deny> {
        Ok(accept(Misbehave { at_end: AtEnd::Nothing, ballast: String::new() }))
    }

    fn receive_text(&mut self, connection: &Connection, text: String) -> Result<(), Error> {
        ways::go(self, connection, &text)
    }

    fn handle(&mut self, connection: &Connection, message: Message) -> Result<(), Error> {
        match message {
            Message::Trap => panic!("asked to trap in handle"),
            Message::Blame { code } => Err(Error::client(code, "a message says so")),
            Message::Again => Ok(ChannelLayer::send(connection.channel_name(), &Message::Again)?),
        }
    }

    fn timer(&mut self, _: &Connection, _: TimerId) -> Result<(), Error> {
        panic!("asked to trap in timer")
    }

    fn disconnect(&mut self, _: &Connection, _: Closure) {
        match self.at_end {
            AtEnd::Nothing => {}
            AtEnd::Trap => panic!("asked to trap in disconnect"),
            AtEnd::Loop => ways::spin(),
        }
    }
}

narrowboat_guest::export!(Misbehave);
