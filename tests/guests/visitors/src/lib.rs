//! Counts who is there, in its instance: each that it accepted, until its `disconnect`. Any text is answered with the
//! count. Every connection joins the group `visitors`. `?work=N` in the query string makes its handshake take long, and
//! `?fatal=1` its `disconnect` panic.

use std::cell::Cell;
use std::hint::black_box;

use narrowboat_guest::prelude::*;

thread_local!(static HERE: Cell<i64> = const { Cell::new(0) });

#[derive(Serialize, Deserialize)]
struct Visitor {
    fatal: bool,
}

impl Consumer for Visitor {
    type Message = NoMessage;

    const GROUPS: &'static [&'static str] = &["visitors"];

    fn connect(scope: &Scope, _: &Connection) -> Result<Accept<Self>, Deny> {
        let rounds = scope.query("work").and_then(|rounds| rounds.parse().ok()).unwrap_or(0);
        (0_u64..rounds).for_each(|round| {
            black_box(round);
        });
        HERE.set(HERE.get() + 1);
        Ok(accept(Visitor { fatal: scope.query("fatal").is_some() }))
    }

    fn receive_text(&mut self, connection: &Connection, _: String) -> Result<(), Error> {
        Ok(connection.send(HERE.get().to_string())?)
    }

    fn disconnect(&mut self, _: &Connection, _: Closure) {
        assert!(!self.fatal, "as it was told");
        HERE.set(HERE.get() - 1);
    }
}

narrowboat_guest::export!(Visitor);
