//! Runs the command in each text, with everything that a plugin can do, and replies with `ok`, the requested value, or
//! `error: ` and the kind of the error. `tests/guests/python-powers` and
//! `tests/guests/javascript-powers` do the same. Binary frames come back reversed.
//!
//! The query string decides about the handshake:
//!
//! - `reject=STATUS`: rejects with the header `x-powers` and the body `rejected`
//! - `later=MILLISECONDS`: decides after this time
//! - `subprotocol=NAME`: selects a subprotocol
//! - `farewell=CODE`: accepts, sends `farewell` and closes with the code

mod commands;
mod layer;
mod network;
mod recipes;
mod settings;
mod store;

use std::time::Duration;

use narrowboat_guest::prelude::*;

/// A consumer that runs commands.
#[derive(Serialize, Deserialize, Default)]
struct Powers {
    /// The timers that are set, with their texts.
    timers: Vec<(TimerId, String)>,
    /// The timer that decides about the handshake.
    decision: Option<TimerId>,
    /// How often the configuration has changed.
    config_changes: u32,
}

/// The messages of consumers and of the worker.
#[derive(Serialize, Deserialize)]
#[serde(tag = "type")]
enum Message {
    #[serde(rename = "powers.text")]
    Text { text: String },
    #[serde(rename = "config.changed")]
    ConfigChanged,
    #[serde(rename = "powers.double")]
    Double { number: i64, reply_to: String },
}

impl Consumer for Powers {
    type Message = Message;

    fn connect(scope: &Scope, connection: &Connection) -> Result<Accept<Self>, Deny> {
        let mut consumer = Self::default();
        if let Some(delay) = scope.query_param("later") {
            let delay = delay.parse().map_err(Error::from)?;
            consumer.decision = Some(connection.set_timer(Duration::from_millis(delay))?);
            return Ok(decide_later(consumer));
        }
        if let Some(rejection) = rejection(scope) {
            return Err(rejection);
        }
        if let Some(code) = scope.query_param("farewell") {
            connection.send("farewell")?;
            connection.close(code.parse().map_err(Error::from)?, "goodbye");
        }
        Ok(match scope.query_param("subprotocol") {
            Some(name) => accept(consumer).subprotocol(name),
            None => accept(consumer),
        }
        .header("x-powers", "accepted"))
    }

    fn receive_text(&mut self, connection: &Connection, text: String) -> Result<(), Error> {
        match commands::run(self, connection, &text)? {
            Some(reply) => Ok(connection.send(reply)?),
            None => Ok(()),
        }
    }

    fn receive_binary(&mut self, connection: &Connection, mut bytes: Vec<u8>) -> Result<(), Error> {
        bytes.reverse();
        Ok(connection.send(bytes)?)
    }

    fn handle(&mut self, connection: &Connection, message: Message) -> Result<(), Error> {
        match message {
            Message::Text { text } => Ok(connection.send(format!("message: {text}"))?),
            Message::ConfigChanged => {
                self.config_changes += 1;
                Ok(())
            }
            Message::Double { .. } => Err(Error::msg("a consumer does not double")),
        }
    }

    fn timer(&mut self, connection: &Connection, timer: TimerId) -> Result<(), Error> {
        if self.decision.take_if(|decision| *decision == timer).is_some() {
            match connection.scope().as_ref().and_then(rejection) {
                Some(rejection) => connection.reject(rejection),
                None => connection.accept(Acceptance::new().header("x-powers", "accepted")),
            }
        } else if let Some(at) = self.timers.iter().position(|(set, _)| *set == timer) {
            connection.send(format!("fired: {}", self.timers.remove(at).1))?;
        }
        Ok(())
    }

    fn disconnect(&mut self, _: &Connection, close: CloseFrame) {
        info!("disconnected with {}", close.code);
    }
}

/// The response that the query string asks for.
fn rejection(scope: &Scope) -> Option<Deny> {
    let status = scope.query_param("reject")?.parse().unwrap_or(500);
    Some(Deny::new(status).header("x-powers", "rejected").body("rejected"))
}

/// Doubles numbers.
#[derive(Default)]
struct Doubler;

impl Worker for Doubler {
    type Message = Message;

    fn handle(&mut self, channel: &str, message: Message) -> Result<(), Error> {
        let Message::Double { number, reply_to } = message else {
            return Err(Error::msg("the worker only doubles"));
        };
        let text = format!("{} from {channel}", number * 2);
        Ok(ChannelLayer::send(&reply_to, &Message::Text { text })?)
    }
}

narrowboat_guest::export!(Powers);
narrowboat_guest::export_worker!(Doubler);
