//! Counts the connected clients of its instance: each from its handshake until its `disconnect`. It replies to any text
//! with the count. Every connection joins the group `visitors`. `?work=N` in the query string makes the handshake slow,
//! and `?fatal=1` makes `disconnect` panic.

use std::cell::Cell;
use std::hint::black_box;

use narrowboat_guest::prelude::*;

thread_local!(static VISITOR_COUNT: Cell<i64> = const { Cell::new(0) });

#[derive(Serialize, Deserialize)]
struct InstanceVisitor {
    fatal: bool,
}

impl Consumer for InstanceVisitor {
    type Message = NoMessage;

    const GROUPS: &'static [&'static str] = &["visitors"];

    fn connect(scope: &Scope, _: &Connection) -> Result<Accept<Self>, Deny> {
        let rounds = scope.query_param("work").and_then(|rounds| rounds.parse().ok()).unwrap_or(0);
        (0_u64..rounds).for_each(|round| {
            black_box(round);
        });
        VISITOR_COUNT.set(VISITOR_COUNT.get() + 1);
        Ok(accept(InstanceVisitor { fatal: scope.query_param("fatal").is_some() }))
    }

    fn receive_text(&mut self, connection: &Connection, _: String) -> Result<(), Error> {
        Ok(connection.send(VISITOR_COUNT.get().to_string())?)
    }

    fn disconnect(&mut self, _: &Connection, _: CloseFrame) {
        assert!(!self.fatal, "asked to panic in disconnect");
        VISITOR_COUNT.set(VISITOR_COUNT.get() - 1);
    }
}

narrowboat_guest::export!(InstanceVisitor);
