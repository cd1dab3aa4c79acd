//! Counts the connected clients in the key-value store: each from its handshake until its `disconnect`. It replies to
//! any text with the count of the connection's path. Every connection joins the group `visitors`. `?work=N` in the
//! query string makes the handshake slow.

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

/// Adds `delta` to the count of a path and returns the sum.
fn add_visitors(path: &str, delta: i64) -> Result<i64, KeyValueError> {
    keyvalue::open("visitors")?.increment(path, delta)
}

narrowboat_guest::export!(KeyValueVisitor);
