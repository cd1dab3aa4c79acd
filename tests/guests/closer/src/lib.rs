//! Closes the connection at the first frame, with 4000 or as a text says, and logs the end of the connection.
//!
//! - `close CODE REASON…`: closes with this code and reason
//! - `twice`: closes with 4001, then with 4002
//! - `last TEXT`: sends the text, closes with 1000, and logs the result of another send
//!
//! When the host stops, it sends "goodbye".

use narrowboat_guest::prelude::*;

#[derive(Serialize, Deserialize)]
struct ClosingConsumer;

impl Consumer for ClosingConsumer {
    type Message = NoMessage;

    fn connect(_: &Scope, _: &Connection) -> Result<Accept<Self>, Deny> {
        Ok(accept(ClosingConsumer))
    }

    fn receive(&mut self, connection: &Connection, frame: Frame) -> Result<(), Error> {
        let text = frame.text().unwrap_or_default();
        match text.split_once(' ').unwrap_or((text, "")) {
            ("close", rest) => parse_and_close(connection, rest)?,
            ("twice", _) => {
                connection.close(4001, "first");
                connection.close(4002, "second");
            }
            ("last", words) => {
                connection.send(words)?;
                connection.close(1000, "");
                info!("a send after close: {:?}", connection.send("too late"));
            }
            _ => connection.close(4000, "one frame is enough"),
        }
        Ok(())
    }

    fn disconnect(&mut self, connection: &Connection, close: CloseFrame) {
        info!("closed with {} {:?}", close.code, close.reason);
        if close.code == GOING_AWAY {
            let _ = connection.send("goodbye");
        }
    }
}

/// The close code that `disconnect` gets when the host stops.
const GOING_AWAY: u16 = 1001;

fn parse_and_close(connection: &Connection, words: &str) -> Result<(), Error> {
    let (code, reason) = words.split_once(' ').unwrap_or((words, ""));
    connection.close(code.parse()?, reason);
    Ok(())
}

narrowboat_guest::export!(ClosingConsumer);
