//! Counts who is there, among its keys and values: each that it accepted, until its `disconnect`. Any text is answered
//! with the count at its path. Every connection joins the group `visitors`. `?work=N` in the query string makes its handshake take
//! long.

use std::hint::black_box;

use narrowboat_guest::keyvalue::{self, KeyValueError};
use narrowboat_guest::prelude::*;

#[derive(Serialize, Deserialize)]
struct KeyValueVisitor {
    path: String,
}

impl Consumer for KeyValueVisitor {
    type Message = NoMessage;

    const GROUPS: &'static [&'static str] = &["visitors"];

    fn connect(scope: &Scope, _: &Connection) -> Result<Accept<Self>, Deny> {
        let rounds = scope.query_param("work").and_then(|rounds| rounds.parse().ok()).unwrap_or(0);
        (0_u64..rounds).for_each(|round| {
            black_box(round);
        });
        add_visitors(&scope.path, 1).map_err(|_| deny(500))?;
        Ok(accept(KeyValueVisitor { path: scope.path.clone() }))
    }

    fn receive_text(&mut self, connection: &Connection, _: String) -> Result<(), Error> {
        Ok(connection.send(add_visitors(&self.path, 0)?.to_string())?)
    }

    fn disconnect(&mut self, _: &Connection, _: CloseFrame) {
        let _ = add_visitors(&self.path, -1);
    }
}

/// Who is there at a path, after so many more.
fn add_visitors(path: &str, more: i64) -> Result<i64, KeyValueError> {
    keyvalue::open("visitors")?.increment(path, more)
}

narrowboat_guest::export!(KeyValueVisitor);
