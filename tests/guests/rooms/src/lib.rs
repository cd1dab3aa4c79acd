//! Counts the visitors of its room, and their commands `add`: see `receive_text`. The counts are the state of
//! the module.

use std::cell::Cell;

use narrowboat_guest::prelude::*;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
    static VISITOR_COUNT: Cell<i64> = const { Cell::new(0) };
    static FAILS_TO_SAVE: Cell<bool> = const { Cell::new(false) };
}

#[derive(Serialize, Deserialize)]
struct RoomVisitor {
    /// Whether `disconnect` panics.
    fatal: bool,
}

impl Consumer for RoomVisitor {
    type Message = NoMessage;

    fn connect(scope: &Scope, _: &Connection) -> Result<Accept<Self>, Deny> {
        if scope.query_param("reject").is_some() {
            return Err(deny(403));
        }
        VISITOR_COUNT.set(VISITOR_COUNT.get() + 1);
        Ok(accept(RoomVisitor { fatal: false }))
    }

    fn receive_text(&mut self, connection: &Connection, text: String) -> Result<(), Error> {
        match text.as_str() {
            "add" => COUNT.set(COUNT.get() + 1),
            "get" => {}
            "visitors" => return Ok(connection.send(VISITOR_COUNT.get().to_string())?),
            "be fatal" => self.fatal = true,
            "fail to save" => FAILS_TO_SAVE.set(true),
            "save" => FAILS_TO_SAVE.set(false),
            "trap" => panic!("asked to trap"),
            other => return Err(Error::msg(format_args!("unknown command {other:?}"))),
        }
        Ok(connection.send(COUNT.get().to_string())?)
    }

    fn disconnect(&mut self, _: &Connection, _: CloseFrame) {
        assert!(!self.fatal, "asked to panic in disconnect");
        VISITOR_COUNT.set(VISITOR_COUNT.get() - 1);
    }

    fn save_module() -> Result<Option<Snapshot>, Error> {
        if FAILS_TO_SAVE.get() {
            return Err(Error::msg("asked to fail"));
        }
        Snapshot::encode(1, &(COUNT.get(), VISITOR_COUNT.get())).map(Some)
    }

    fn load_module(snapshot: Snapshot) -> Result<(), Error> {
        let (count, visitor_count) = snapshot.decode()?;
        COUNT.set(count);
        VISITOR_COUNT.set(visitor_count);
        Ok(())
    }
}

narrowboat_guest::export!(RoomVisitor);
