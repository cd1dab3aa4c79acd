//! Buckets of keys and values.

use narrowboat_guest::keyvalue::{self, KeyValueError};
use narrowboat_guest::prelude::*;
use narrowboat_guest::testing::Host;

/// Counts the frames of all connections.
#[derive(Serialize, Deserialize)]
struct Visits;

impl Consumer for Visits {
    type Message = NoMessage;

    fn connect(_: &Scope, _: &Connection) -> Result<Accept<Self>, Deny> {
        assert_eq!(keyvalue::open("a b").unwrap_err(), KeyValueError::NoSuchStore);
        Ok(accept(Visits))
    }

    fn receive_text(&mut self, connection: &Connection, text: String) -> Result<(), Error> {
        let bucket = keyvalue::open("visits")?;
        let count = bucket.increment("count", 1)?;
        bucket.set("last", &text)?;
        bucket.delete("old")?;
        assert!(bucket.exists("last")?);
        let keys = bucket.list_keys(None)?.keys.join(" ");
        Ok(connection.send(format!("{count} {keys}"))?)
    }
}

#[test]
fn all_connections_of_a_host_share_its_buckets() {
    let host = Host::new::<Visits>();
    let clients = [(); 2].map(|()| host.connect("/").unwrap());
    clients.iter().for_each(|client| client.send_to("hello"));
    assert_eq!(clients.map(|client| client.receive_text_from()), ["1 count last", "2 count last"]);
    assert_eq!(host.keyvalue("visits").get_text("last").as_deref(), Some("hello"));
}

#[test]
fn a_test_sets_and_reads_values() {
    let host = Host::new::<Visits>();
    let bucket = host.keyvalue("visits");
    bucket.set("count", "41");
    bucket.set("old", [0, 255]);
    assert_eq!((bucket.get("old"), bucket.get("none")), (Some(vec![0, 255]), None));
    let client = host.connect("/").unwrap();
    client.send_to("hello");
    assert_eq!(client.receive_text_from(), "42 count last");
    bucket.delete("last");
    assert_eq!(bucket.keys(), ["count"]);
}

#[test]
fn a_value_that_is_not_a_number_cannot_be_incremented() {
    let host = Host::new::<Visits>();
    host.keyvalue("visits").set("count", "many");
    let client = host.connect("/").unwrap();
    client.send_to("hello");
    assert_eq!(client.receive_close_frame().code, 1011);
    assert!(host.faults()[0].contains("not a 64-bit integer"), "{:?}", host.faults());
}
