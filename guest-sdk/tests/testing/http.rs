//! HTTP requests of the plugin.

use narrowboat_guest::http::{HttpError, Request};
use narrowboat_guest::prelude::*;
use narrowboat_guest::testing::{Communicator, FakeResponse, Host, RequestFailure, RequestRule};
use serde_json::json;

const URL: &str = "https://api.example.com/orders/7";

/// Sends a request to each URL that it receives, and its response to the client.
#[derive(Serialize, Deserialize)]
struct Fetcher;

impl Consumer for Fetcher {
    type Message = NoMessage;

    fn connect(_: &Scope, _: &Connection) -> Result<Accept<Self>, Deny> {
        Ok(accept(Fetcher))
    }

    fn receive_text(&mut self, connection: &Connection, url: String) -> Result<(), Error> {
        let request = Request::post(&url).header("X-Id", "7").body("the order");
        let text = match request.send() {
            Ok(response) => {
                let kind = response.header("content-type").unwrap_or("nothing");
                format!("{} {kind} {}", response.status, response.text())
            }
            Err(HttpError::Timeout) => "timeout".to_owned(),
            Err(error) => error.to_string(),
        };
        Ok(connection.send(text)?)
    }
}

fn fetch(client: &Communicator, url: &str) -> String {
    client.send_to(url);
    client.receive_text_from()
}

#[test]
fn a_rule_of_the_test_is_the_response_of_a_server() {
    let host = Host::new::<Fetcher>();
    let client = host.connect("/").unwrap();
    host.respond("https://api.example.com/*", FakeResponse::json(&json!({ "id": 7 })));
    assert_eq!(fetch(&client, URL), "200 application/json {\"id\":7}");
    let request = &host.requests()[0];
    assert_eq!((request.method.as_str(), request.url.as_str()), ("POST", URL));
    assert_eq!(request.text(), "the order");
    assert_eq!(request.headers, [("x-id".to_owned(), b"7".to_vec())]);
}

#[test]
fn the_newest_rule_that_matches_wins_until_it_is_used_up() {
    let host = Host::new::<Fetcher>();
    let client = host.connect("/").unwrap();
    host.respond(URL, FakeResponse::new(200));
    host.respond(RequestRule::any(URL).times(1), FakeResponse::new(503));
    host.respond(RequestRule::method("get", URL), FakeResponse::new(404));
    assert_eq!([(); 2].map(|()| fetch(&client, URL)), ["503 nothing ", "200 nothing "]);
}

#[test]
fn a_request_fails_as_it_does_in_the_sandbox() {
    let host = Host::new::<Fetcher>();
    let client = host.connect("/").unwrap();
    for (failure, text) in [
        (RequestFailure::Timeout, "timeout"),
        (RequestFailure::Refused, "ErrorCode::ConnectionRefused"),
        (RequestFailure::Closed, "ErrorCode::ConnectionTerminated"),
        (RequestFailure::Dns, "ErrorCode::DnsError"),
    ] {
        host.fail_request(URL, failure);
        assert!(fetch(&client, URL).starts_with(text), "{failure:?}");
    }
}

#[test]
fn a_request_without_a_rule_is_an_error_that_names_it() {
    let host = Host::new::<Fetcher>();
    let client = host.connect("/").unwrap();
    let text = fetch(&client, URL);
    assert!(text.contains(&format!("no response for POST {URL}")), "{text}");
    assert_eq!(fetch(&client, "nowhere"), "\"nowhere\" is not a URL of the form https://HOST/PATH");
    assert_eq!(host.requests().len(), 1);
}
