//! Misbehaves in the way that a text names. It replies `ok` to `ok`. `misbehaviors.rs` has the list.

mod misbehaviors;

use narrowboat_guest::prelude::*;

#[derive(Serialize, Deserialize)]
struct MisbehavingConsumer {
    on_disconnect: DisconnectBehavior,
    /// Additional bytes of the snapshot.
    padding: String,
}

/// The behavior of `disconnect`.
#[derive(Clone, Copy, Serialize, Deserialize)]
enum DisconnectBehavior {
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
    #[serde(rename = "misbehave.work")]
    Work,
    #[serde(rename = "misbehave.reply")]
    Reply,
    #[serde(rename = "misbehave.blame")]
    Blame { code: u16 },
}

impl Consumer for MisbehavingConsumer {
    type Message = Message;

    fn connect(_: &Scope, _: &Connection) -> Result<Accept<Self>, Deny> {
        Ok(accept(MisbehavingConsumer {
            on_disconnect: DisconnectBehavior::Nothing,
            padding: String::new(),
        }))
    }

    fn receive_text(&mut self, connection: &Connection, text: String) -> Result<(), Error> {
        misbehaviors::run_misbehavior(self, connection, &text)
    }

    fn handle(&mut self, connection: &Connection, message: Message) -> Result<(), Error> {
        match message {
            Message::Trap => panic!("asked to trap in handle"),
            Message::Work => misbehaviors::work_in_handle(connection),
            Message::Reply => Ok(connection.send("replied")?),
            Message::Blame { code } => Err(Error::client(code, "a message says so")),
            Message::Again => Ok(ChannelLayer::send(connection.channel_name(), &Message::Again)?),
        }
    }

    fn timer(&mut self, _: &Connection, _: TimerId) -> Result<(), Error> {
        panic!("asked to trap in timer")
    }

    fn disconnect(&mut self, _: &Connection, _: CloseFrame) {
        match self.on_disconnect {
            DisconnectBehavior::Nothing => {}
            DisconnectBehavior::Trap => panic!("asked to trap in disconnect"),
            DisconnectBehavior::Loop => misbehaviors::loop_forever(),
        }
    }
}

narrowboat_guest::export!(MisbehavingConsumer);
