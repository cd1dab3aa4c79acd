//! Closes at the first frame: with 4000, or as the text `close CODE REASON…` says.

use narrowboat_guest::prelude::*;

#[derive(Serialize, Deserialize)]
struct Closer;

impl Consumer for Closer {
    type Message = NoMessage;

    fn connect(_: &Scope, _: &Connection) -> Result<Accept<Self>, Deny> {
        Ok(accept(Closer))
    }

    fn receive(&mut self, connection: &Connection, frame: Frame) -> Result<(), Error> {
        let (code, reason) = frame.text().and_then(wanted).unwrap_or((4000, "one frame is enough"));
        connection.close(code, reason);
        Ok(())
    }

    fn disconnect(&mut self, _: &Connection, closure: Closure) {
        info!("closed with {} {:?}", closure.code, closure.reason);
    }
}

fn wanted(text: &str) -> Option<(u16, &str)> {
    let words = text.strip_prefix("close ")?;
    let (code, reason) = words.split_once(' ').unwrap_or((words, ""));
    Some((code.parse().ok()?, reason))
}

narrowboat_guest::export!(Closer);
