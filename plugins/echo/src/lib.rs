//! Sends each frame back to its sender.

use narrowboat_guest::prelude::*;

#[derive(Serialize, Deserialize)]
struct Echo;

impl Consumer for Echo {
    type Message = NoMessage;

    fn connect(_: &Scope, _: &Connection) -> Result<Accept<Self>, Deny> {
        Ok(accept(Echo))
    }

    fn receive(&mut self, connection: &Connection, frame: Frame) -> Result<(), Error> {
        Ok(connection.send(frame)?)
    }
}

narrowboat_guest::export!(Echo);
