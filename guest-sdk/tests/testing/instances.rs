//! Instances: the memory that consumers have for themselves or share.

use std::cell::{Cell, RefCell};

use narrowboat_guest::prelude::*;
use narrowboat_guest::testing::Host;

thread_local! {
    static COUNT: Cell<u32> = const { Cell::new(0) };
    static CLIENTS: RefCell<Vec<Connection>> = const { RefCell::new(Vec::new()) };
}

#[derive(Serialize, Deserialize)]
struct Counter;

impl Consumer for Counter {
    type Message = NoMessage;

    fn connect(_: &Scope, connection: &Connection) -> Result<Accept<Self>, Deny> {
        COUNT.set(COUNT.get() + 1);
        connection.send(COUNT.get().to_string())?;
        CLIENTS.with_borrow_mut(|clients| clients.push(connection.clone()));
        Ok(accept(Counter))
    }

    fn receive_text(&mut self, connection: &Connection, text: String) -> Result<(), Error> {
        assert_ne!(text, "panic");
        if let Some(other) = Connection::find(&text) {
            other.send(format!("from {}", connection.channel_name()))?;
        }
        let count = CLIENTS.with_borrow(|clients| send_many(clients, "to all"));
        Ok(connection.send(count.to_string())?)
    }
}

fn shared() -> Host {
    Host::builder().consumer::<Counter>().shared_instance().build()
}

#[test]
fn each_connection_has_its_own_memory() {
    let host = Host::new::<Counter>();
    let counts = [(); 2].map(|()| host.connect("/").unwrap().receive_text_from());
    assert_eq!(counts, ["1", "1"]);
}

#[test]
fn a_shared_instance_has_one_memory_for_all_connections() {
    let host = shared();
    let counts = [(); 2].map(|()| host.connect("/").unwrap().receive_text_from());
    assert_eq!(counts, ["1", "2"]);
    assert_eq!(shared().connect("/").unwrap().receive_text_from(), "1");
}

#[test]
fn consumers_of_one_instance_send_to_each_other() {
    let host = shared();
    let (first, second) = (host.connect("/").unwrap(), host.connect("/").unwrap());
    assert_eq!((first.receive_text_from(), second.receive_text_from()), ("1".into(), "2".into()));
    second.send_to(first.channel_name());
    let texts = [(); 2].map(|()| first.receive_text_from());
    assert_eq!(texts, [format!("from {}", second.channel_name()), "to all".into()]);
    assert_eq!([(); 2].map(|()| second.receive_text_from()), ["to all", "2"]);
}

#[test]
fn a_connection_of_another_instance_is_not_found() {
    let host = Host::new::<Counter>();
    let (first, second) = (host.connect("/").unwrap(), host.connect("/").unwrap());
    first.receive_from();
    second.send_to(first.channel_name());
    assert!(first.receive_nothing());
}

#[test]
fn a_panic_ends_all_connections_of_a_shared_instance_and_the_next_one_starts_anew() {
    let host = shared();
    let clients = [(); 2].map(|()| host.connect("/").unwrap());
    clients.iter().for_each(|client| _ = client.receive_from());
    clients[0].send_to("panic");
    assert_eq!(clients.map(|client| client.receive_close_frame().code), [1011, 1011]);
    assert_eq!(host.faults().len(), 1);
    assert_eq!(host.connect("/").unwrap().receive_text_from(), "1");
}
