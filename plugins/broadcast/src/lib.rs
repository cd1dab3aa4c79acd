//! Sends each text to every client of this instance, including its sender.

use std::cell::RefCell;

use narrowboat_guest::prelude::*;

thread_local! {
    static CLIENTS: RefCell<Vec<Connection>> = const { RefCell::new(Vec::new()) };
}

#[derive(Serialize, Deserialize)]
struct Broadcast;

impl Consumer for Broadcast {
    type Message = NoMessage;

    fn connect(_: &Scope, connection: &Connection) -> Result<Accept<Self>, Deny> {
        CLIENTS.with_borrow_mut(|clients| clients.push(connection.clone()));
        Ok(accept(Broadcast))
    }

    fn receive_text(&mut self, _: &Connection, text: String) -> Result<(), Error> {
        CLIENTS.with_borrow(|clients| send_many(clients, text));
        Ok(())
    }

    fn disconnect(&mut self, connection: &Connection, _: CloseFrame) {
        CLIENTS.with_borrow_mut(|clients| clients.retain(|client| client != connection));
    }

    /// Adds the connection again, because the list of a new version starts empty.
    fn after_restore(&mut self, connection: &Connection) {
        CLIENTS.with_borrow_mut(|clients| clients.push(connection.clone()));
    }
}

narrowboat_guest::export!(Broadcast);
