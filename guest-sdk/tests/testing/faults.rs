//! Faults of the plugin and errors of the client.

use narrowboat_guest::prelude::*;
use narrowboat_guest::testing::{Communicator, Host};

#[derive(Serialize, Deserialize)]
struct Faulty;

impl Consumer for Faulty {
    type Message = NoMessage;

    fn connect(scope: &Scope, _: &Connection) -> Result<Accept<Self>, Deny> {
        assert!(scope.query_string.is_empty(), "no query is expected");
        Ok(accept(Faulty))
    }

    fn receive_text(&mut self, connection: &Connection, text: String) -> Result<(), Error> {
        connection.send("before")?;
        match text.as_str() {
            "panic" => panic!("the order is missing"),
            "error" => Err(Error::msg("the order failed")),
            "client" => Err(Error::client(4400, "which order?")),
            "bad code" => Err(Error::client(1000, "no")),
            "bad close" => {
                connection.close(1001, "away");
                Ok(())
            }
            "close" => {
                connection.close(4000, "done");
                Ok(connection.send("after")?)
            }
            _ => Ok(()),
        }
    }

    fn disconnect(&mut self, connection: &Connection, close: CloseFrame) {
        let sent = connection.send("late");
        info!("disconnect {} {:?} {sent:?}", close.code, close.reason);
    }
}

fn after(text: &str) -> (Host, Communicator) {
    let host = Host::new::<Faulty>();
    let client = host.connect("/").unwrap();
    client.send_to(text);
    (host, client)
}

fn logged(host: &Host) -> Vec<String> {
    host.logs().into_iter().map(|line| line.message).collect()
}

#[test]
fn a_panic_drops_the_effects_of_its_call_and_closes_with_1011() {
    let (host, client) = after("panic");
    let close = client.receive_close_frame();
    assert_eq!((close.code, close.reason.as_str()), (1011, "consumer failed"));
    let faults = host.faults();
    assert!(faults[0].starts_with("trap: panic: the order is missing ("), "{faults:?}");
    assert!(faults[0].contains("tests/testing/faults.rs:"), "{faults:?}");
    assert!(!logged(&host).iter().any(|line| line.starts_with("disconnect")));
}

#[test]
fn a_host_serves_other_connections_after_a_panic() {
    let host = Host::new::<Faulty>();
    let (first, second) = (host.connect("/").unwrap(), host.connect("/").unwrap());
    first.send_to("panic");
    second.send_to("hello");
    assert_eq!(second.receive_text_from(), "before");
}

#[test]
fn a_panic_in_connect_rejects_the_handshake() {
    let host = Host::new::<Faulty>();
    assert_eq!(host.connect("/?x").unwrap_err().status, 500);
    assert!(host.faults()[0].contains("no query is expected"), "{:?}", host.faults());
}

#[test]
fn an_error_keeps_the_effects_of_its_call_and_closes_with_1011() {
    let (host, client) = after("error");
    assert_eq!(client.receive_text_from(), "before");
    assert_eq!(client.receive_close_frame().code, 1011);
    assert_eq!(host.faults(), ["returned an error: the order failed"]);
    assert_eq!(logged(&host), ["disconnect 1011 \"consumer failed\" Err(Closed)"]);
}

#[test]
fn an_error_of_the_client_closes_with_its_code_and_is_not_a_fault() {
    let (host, client) = after("client");
    client.receive_from();
    let close = client.receive_close_frame();
    assert_eq!((close.code, close.reason.as_str()), (4400, "which order?"));
    assert!(host.faults().is_empty());
}

#[test]
fn a_close_code_that_the_contract_forbids_is_a_fault() {
    for text in ["bad code", "bad close"] {
        let (host, client) = after(text);
        client.receive_from();
        assert_eq!(client.receive_close_frame().code, 1011, "{text}");
        assert!(host.faults()[0].starts_with("broke the contract: "), "{:?}", host.faults());
    }
}

#[test]
fn a_frame_after_the_close_is_refused_and_is_not_a_fault() {
    let (host, client) = after("close");
    assert_eq!(client.receive_text_from(), "before");
    let close = client.receive_close_frame();
    assert_eq!((close.code, close.reason.as_str()), (4000, "done"));
    assert!(host.faults().is_empty());
    assert_eq!(logged(&host), ["disconnect 4000 \"done\" Err(Closed)"]);
}

#[test]
fn a_client_closes_and_vanishes() {
    let host = Host::new::<Faulty>();
    let (closed, lost) = (host.connect("/").unwrap(), host.connect("/").unwrap());
    closed.disconnect(4100, "bye");
    lost.abort();
    let close = CloseFrame { code: 4100, reason: "bye".to_owned() };
    assert_eq!(closed.receive_close_frame(), close);
    let ends = ["disconnect 4100 \"bye\" Err(Closed)", "disconnect 1006 \"\" Err(Closed)"];
    assert_eq!(logged(&host), ends);
}

#[test]
#[should_panic(expected = "the connection is closed with 4400 \"which order?\"")]
fn a_client_cannot_send_after_the_close() {
    let (_host, client) = after("client");
    client.send_to("more");
}

#[test]
#[should_panic(
    expected = "the connection is closed with 1011 \"consumer failed\"; faults of the plugin: [\"trap: panic: the order"
)]
fn a_frame_that_is_missing_is_explained_with_the_faults() {
    let (_host, client) = after("panic");
    client.receive_from();
}

#[test]
#[should_panic(expected = "a frame was expected, but nothing has arrived")]
fn a_receive_without_a_frame_fails_the_test() {
    let host = Host::new::<Faulty>();
    host.connect("/").unwrap().receive_from();
}
