//! Buckets of keys and values.

use std::time::Duration;

use narrowboat_guest::keyvalue::{self, KeyValueError, TimeToLive};
use narrowboat_guest::prelude::*;
use narrowboat_guest::testing::Host;

/// Counts the frames of all connections.
#[derive(Serialize, Deserialize)]
struct Visits;

impl Consumer for Visits {
    type Message = NoMessage;

    fn connect(_: &Scope, _: &Connection) -> Result<Accept<Self>, Deny> {
        assert_eq!(
            keyvalue::open("a b").unwrap_err(),
            KeyValueError::NoSuchStore("a b".to_owned())
        );
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

/// Runs an operation on a bucket for each text.
#[derive(Serialize, Deserialize)]
struct Operations;

impl Consumer for Operations {
    type Message = NoMessage;

    fn connect(_: &Scope, _: &Connection) -> Result<Accept<Self>, Deny> {
        Ok(accept(Operations))
    }

    fn receive_text(&mut self, connection: &Connection, text: String) -> Result<(), Error> {
        Ok(connection.send(run(&text)?)?)
    }
}

fn run(command: &str) -> Result<String, Error> {
    let bucket = keyvalue::open("bucket")?;
    let second = Duration::from_secs(1);
    Ok(match command {
        "session" => {
            bucket.set_with_ttl("session", "ann", 60 * second)?;
            format!("{:?}", bucket.ttl("session")?)
        }
        "session again" => {
            bucket.update("session", |value| [value.unwrap_or(b"nobody"), b"!"].concat())?;
            format!(
                "{:?} {:?}",
                bucket.get("session")?.map(String::from_utf8),
                bucket.ttl("session")?
            )
        }
        "session for ever" => {
            bucket.set("session", "bob")?;
            format!("{:?}", bucket.ttl("session")?)
        }
        "renew" => format!("{}", bucket.set_ttl("session", Some(10 * second))?),
        "no time" => bucket.set_with_ttl("session", "ann", Duration::ZERO).unwrap_err().to_string(),
        "batch" => {
            bucket.set_many([("a", "1"), ("b", "2"), ("other", "3")])?;
            bucket.delete_many(&["b"])?;
            format!("{:?}", bucket.get_many(&["other", "b", "a"])?)
        }
        "keys" => {
            bucket.set_many((0..5).map(|at| (format!("k{at}"), "")))?;
            let page = bucket.list("k", None, 3)?;
            let rest = bucket.list("k", page.cursor.as_deref(), 3)?;
            let all = bucket.keys("k").collect::<Result<Vec<_>, _>>()?;
            format!("{} {:?} {}", page.keys.join(" "), rest, all.len())
        }
        "compare" => {
            let results = [
                bucket.compare_and_set("c", Some(b"1"), "2")?,
                bucket.compare_and_set("c", None, "1")?,
                bucket.compare_and_set("c", None, "2")?,
                bucket.compare_and_set("c", Some(b"1"), "2")?,
            ];
            format!("{results:?}")
        }
        "refused update" => {
            let refuse = |_: Option<&[u8]>| Err::<Vec<u8>, _>(Error::msg("refused"));
            let error = bucket.try_update("r", refuse).unwrap_err();
            format!("{error} {}", bucket.exists("r")?)
        }
        // Another writer is between the reading and the writing of the first two attempts.
        _ => {
            let mut attempts = 0;
            let other = keyvalue::open("bucket")?;
            let value = bucket.try_update("n", |value| {
                attempts += 1;
                if attempts < 3 {
                    other.increment("n", 1)?;
                }
                Ok::<_, Error>([value.unwrap_or_default(), b"."].concat())
            })?;
            format!("{attempts} {}", String::from_utf8_lossy(&value))
        }
    })
}

fn ask(host: &Host, command: &str) -> String {
    let client = host.connect("/").unwrap();
    client.send_to(command);
    client.receive_text_from()
}

#[test]
fn a_time_to_live_follows_the_clock_of_the_test() {
    let host = Host::new::<Operations>();
    let bucket = host.keyvalue("bucket");
    assert_eq!(ask(&host, "session"), "Remaining(60s)");
    host.advance(Duration::from_millis(59_999));
    assert_eq!(bucket.ttl("session").remaining(), Some(Duration::from_millis(1)));
    host.advance(Duration::from_millis(1));
    assert_eq!((bucket.get("session"), bucket.ttl("session")), (None, TimeToLive::Missing));
}

#[test]
fn an_update_keeps_the_time_to_live_and_set_removes_it() {
    let host = Host::new::<Operations>();
    assert_eq!(ask(&host, "session"), "Remaining(60s)");
    assert_eq!(ask(&host, "session again"), "Some(Ok(\"ann!\")) Remaining(60s)");
    assert_eq!(ask(&host, "session for ever"), "Unlimited");
    assert_eq!(ask(&host, "renew"), "true");
    host.advance(Duration::from_secs(10));
    assert_eq!(ask(&host, "renew"), "false");
}

#[test]
fn a_time_to_live_of_nothing_is_an_error() {
    let host = Host::new::<Operations>();
    assert_eq!(
        ask(&host, "no time"),
        r#"the time to live must be from 1 millisecond to 100 years (bucket "bucket", key "session")"#
    );
}

#[test]
fn a_test_sets_values_that_expire() {
    let host = Host::new::<Operations>();
    let bucket = host.keyvalue("bucket");
    bucket.set_with_ttl("a1", "x", Duration::from_secs(1));
    bucket.set("a2", "x");
    bucket.set("b", "x");
    assert_eq!(bucket.keys_with_prefix("a"), ["a1", "a2"]);
    host.advance(Duration::from_secs(1));
    assert_eq!(bucket.keys(), ["a2", "b"]);
}

#[test]
fn several_keys_are_set_deleted_and_read_at_once() {
    assert_eq!(ask(&Host::new::<Operations>(), "batch"), "[Some([51]), None, Some([49])]");
}

#[test]
fn keys_with_a_prefix_are_listed_in_pages_and_all_at_once() {
    let reply = ask(&Host::new::<Operations>(), "keys");
    assert_eq!(reply, "k0 k1 k2 KeyPage { keys: [\"k3\", \"k4\"], cursor: None } 5");
}

#[test]
fn a_value_is_set_only_if_the_key_has_the_expected_one() {
    assert_eq!(ask(&Host::new::<Operations>(), "compare"), "[false, true, false, true]");
}

#[test]
fn an_update_starts_again_with_the_value_of_another_writer() {
    assert_eq!(ask(&Host::new::<Operations>(), "busy update"), "3 2.");
}

#[test]
fn an_update_that_is_refused_changes_nothing() {
    assert_eq!(ask(&Host::new::<Operations>(), "refused update"), "refused false");
}
