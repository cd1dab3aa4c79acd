//! Replies to each frame with the same text, and logs the frame.

use narrowboat_guest::prelude::*;

#[derive(Serialize, Deserialize)]
struct FixedReply;

impl Consumer for FixedReply {
    type Message = NoMessage;

    fn connect(_: &Scope, _: &Connection) -> Result<Accept<Self>, Deny> {
        Ok(accept(FixedReply))
    }

    fn receive(&mut self, connection: &Connection, frame: Frame) -> Result<(), Error> {
        match frame {
            Frame::Text(text) => info!("got the text {text:?}"),
            Frame::Binary(bytes) => info!("got {} bytes: {bytes:?}", bytes.len()),
        }
        Ok(connection.send("收到了")?)
    }
}

narrowboat_guest::export!(FixedReply);
