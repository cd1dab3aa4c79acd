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

#[cfg(test)]
mod tests {
    use narrowboat_guest::testing::Host;

    use super::*;

    /// All connections share one instance, as the manifest says.
    fn host() -> Host {
        Host::builder().consumer::<Broadcast>().shared_instance().build()
    }

    #[test]
    fn a_text_goes_to_every_client() {
        let host = host();
        let clients = [(); 3].map(|()| host.connect("/broadcast/").unwrap());
        clients[0].send_to("hello");
        assert_eq!(clients.map(|client| client.receive_text_from()), ["hello"; 3]);
    }

    #[test]
    fn a_text_goes_to_the_clients_that_are_left() {
        let host = host();
        let clients = [(); 2].map(|()| host.connect("/broadcast/").unwrap());
        clients[1].disconnect(1000, "");
        clients[0].send_to("hello");
        assert_eq!(clients[0].receive_text_from(), "hello");
        assert!(clients[0].receive_nothing());
        assert_eq!(clients[1].receive_close_frame().code, 1000);
    }

    #[test]
    fn every_client_is_in_the_list_of_a_new_version() {
        let host = host();
        let clients = [(); 2].map(|()| host.connect("/broadcast/").unwrap());
        assert_eq!(host.swap().moved, 2);
        clients[0].send_to("hello");
        assert_eq!(clients.map(|client| client.receive_text_from()), ["hello"; 2]);
    }
}
