//! Handshakes: requests, responses, and decisions that come later.

use std::time::Duration;

use narrowboat_guest::prelude::*;
use narrowboat_guest::testing::{ConnectRequest, Handshake, Host};
use serde_json::{Value, json};

/// Sends the scope to the client, and decides as the query says.
#[derive(Serialize, Deserialize)]
struct Door;

impl Consumer for Door {
    type Message = NoMessage;

    fn connect(scope: &Scope, connection: &Connection) -> Result<Accept<Self>, Deny> {
        connection.send(serde_json::to_string(scope)?)?;
        match scope.query_param("decision").as_deref() {
            Some("deny") => Err(deny(404).header("X-Reason", "room").body("which room?\n")),
            Some("fail") => Err(Error::msg("broken"))?,
            Some("unoffered") => Ok(accept(Door).subprotocol("chat.v9")),
            Some("later") => {
                connection.set_timer(Duration::from_secs(1))?;
                Ok(decide_later(Door))
            }
            Some("never") => Ok(decide_later(Door)),
            Some("close") => {
                connection.close(4000, "at once");
                Ok(accept(Door))
            }
            _ => Ok(accept(Door).subprotocol("chat.v2").header("X-Room", "red")),
        }
    }

    fn timer(&mut self, connection: &Connection, _: TimerId) -> Result<(), Error> {
        let scope = connection.scope().ok_or_else(|| Error::msg("no scope"))?;
        match scope.query_param("then").as_deref() {
            Some("reject") => connection.reject(deny(403)),
            Some("close") => connection.close(4001, "no"),
            _ => connection.accept(Acceptance::new().subprotocol("chat.v2")),
        }
        // Only the first decision has an effect.
        connection.reject(deny(500));
        Ok(())
    }

    fn disconnect(&mut self, _: &Connection, close: CloseFrame) {
        info!("disconnect {}", close.code);
    }
}

fn logged(host: &Host) -> Vec<String> {
    host.logs().into_iter().map(|line| line.message).collect()
}

#[test]
fn a_consumer_sees_the_request_in_its_scope() {
    let host = Host::new::<Door>();
    let request = ConnectRequest::new("/a%20b/?colour=blue+green")
        .header("X-Id", "7")
        .subprotocol("chat.v2")
        .user(&json!({ "sub": "ada" }))
        .url_route("room", "red")
        .client("10.0.0.7", 1234);
    let scope: Value = host.connect(request).unwrap().receive_json_from();
    assert_eq!(scope["path"], "/a b/");
    assert_eq!(scope["query_string"], json!(b"colour=blue+green"));
    assert_eq!(scope["headers"], json!([["x-id", b"7"]]));
    assert_eq!(scope["subprotocols"], json!(["chat.v2"]));
    assert_eq!(scope["user"], r#"{"sub":"ada"}"#);
    assert_eq!(scope["url_route"], json!([["room", "red"]]));
    assert_eq!(scope["client"], json!(["10.0.0.7", 1234]));
}

#[test]
fn an_acceptance_has_its_subprotocol_and_headers() {
    let host = Host::new::<Door>();
    let client = host.connect(ConnectRequest::new("/").subprotocol("chat.v2")).unwrap();
    assert_eq!(client.subprotocol().as_deref(), Some("chat.v2"));
    let Handshake::Accepted { headers, .. } = client.handshake() else { panic!("not accepted") };
    assert_eq!(headers, [("x-room".to_owned(), b"red".to_vec())]);
}

#[test]
fn a_subprotocol_that_the_client_does_not_offer_is_an_invalid_response() {
    let host = Host::new::<Door>();
    let rejection = host.connect("/?decision=unoffered").unwrap_err();
    assert_eq!((rejection.status, logged(&host)), (500, vec!["disconnect 1006".to_owned()]));
}

#[test]
fn a_denial_is_the_response_of_the_consumer() {
    let host = Host::new::<Door>();
    let rejection = host.connect("/?decision=deny").unwrap_err();
    assert_eq!((rejection.status, rejection.text().as_str()), (404, "which room?\n"));
    assert_eq!(rejection.header("x-reason"), Some("room"));
    assert_eq!(host.faults(), [""; 0]);
}

#[test]
fn an_error_in_connect_is_a_fault_and_its_text_does_not_reach_the_client() {
    let host = Host::new::<Door>();
    let rejection = host.connect("/?decision=fail").unwrap_err();
    assert_eq!((rejection.status, rejection.text().as_str()), (500, "the consumer failed\n"));
    assert_eq!(host.faults(), ["returned an error: broken"]);
}

#[test]
fn a_consumer_that_decides_later_accepts_on_a_timer() {
    let host = Host::new::<Door>();
    let request = ConnectRequest::new("/?decision=later").subprotocol("chat.v2");
    let client = host.connect(request).unwrap();
    assert_eq!(client.handshake(), Handshake::Undecided);
    host.advance(Duration::from_secs(1));
    assert_eq!(client.subprotocol().as_deref(), Some("chat.v2"));
    assert_eq!(client.receive_json_from::<Value>()["path"], "/");
}

#[test]
fn a_consumer_that_rejects_later_gets_no_disconnect() {
    let host = Host::new::<Door>();
    let client = host.connect("/?decision=later&then=reject").unwrap();
    host.advance(Duration::from_secs(1));
    assert_eq!((client.rejection().status, logged(&host)), (403, vec![]));
}

#[test]
fn a_close_before_the_decision_rejects_the_handshake() {
    let host = Host::new::<Door>();
    let client = host.connect("/?decision=later&then=close").unwrap();
    host.advance(Duration::from_secs(1));
    assert_eq!(client.rejection().status, 403);
    assert_eq!(logged(&host), ["disconnect 4001"]);
}

#[test]
fn a_consumer_that_never_decides_is_rejected_after_the_handshake_timeout() {
    let host = Host::new::<Door>();
    let client = host.connect("/?decision=never").unwrap();
    host.advance(Duration::from_millis(9_999));
    assert_eq!(client.handshake(), Handshake::Undecided);
    host.advance(Duration::from_millis(1));
    assert_eq!(client.rejection().status, 503);
    assert_eq!(logged(&host), ["disconnect 1006"]);
}

#[test]
fn a_close_in_connect_follows_the_frames_of_an_accepted_connection() {
    let host = Host::new::<Door>();
    let client = host.connect("/?decision=close").unwrap();
    assert!(client.receive_json_from::<Value>().is_object());
    assert_eq!(client.receive_close_frame().code, 4000);
    assert_eq!(logged(&host), ["disconnect 4000"]);
}

#[test]
#[should_panic(expected = "the consumer has not decided about the connection")]
fn a_client_cannot_send_before_the_decision() {
    let host = Host::new::<Door>();
    host.connect("/?decision=never").unwrap().send_to("early");
}
