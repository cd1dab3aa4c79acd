//! Accepts or denies a handshake as its query string says, read from left to right:
//!
//! - `subprotocol=NAME`, `header=NAME:VALUE`: accepts with this subprotocol or header
//! - `reject=STATUS`: denies with this status, the given headers and the given `body=`
//! - `greet=N`: sends N texts, "greeting 0" and so on, before it accepts
//! - `close`: closes the connection, which takes effect after the handshake
//! - `fail=TEXT`, `blame=TEXT`: returns an error that blames the plugin or the client
//! - `trap`, `spin`: panics, or never returns
//!
//! An open connection replies to the text `scope` with the scope as JSON, and echoes every other text.

use std::hint::black_box;

use narrowboat_guest::prelude::*;
use serde_json::{Value, json};

#[derive(Serialize, Deserialize)]
struct HandshakeConsumer {
    scope: Value,
}

impl Consumer for HandshakeConsumer {
    type Message = NoMessage;

    fn connect(scope: &Scope, connection: &Connection) -> Result<Accept<Self>, Deny> {
        for (key, value) in scope.query_pairs() {
            match key.as_ref() {
                "greet" => send_greetings(connection, value.parse().unwrap_or(1))?,
                "close" => connection.close(4001, "closed in connect"),
                "fail" => Err(Error::msg(value))?,
                "blame" => Err(ClientError::new(4400, value))?,
                "trap" => panic!("asked to trap in connect"),
                "spin" => loop_forever(),
                _ => {}
            }
        }
        match scope.query_param("reject") {
            Some(status) => Err(build_deny(scope, &status)),
            None => Ok(build_accept(scope)),
        }
    }

    fn receive_text(&mut self, connection: &Connection, text: String) -> Result<(), Error> {
        match text.as_str() {
            "scope" => connection.send_json(&self.scope),
            _ => Ok(connection.send(text)?),
        }
    }
}

fn send_greetings(connection: &Connection, count: u32) -> Result<(), SendError> {
    (0..count).try_for_each(|number| connection.send(format!("greeting {number}")))
}

fn loop_forever() {
    loop {
        black_box(());
    }
}

fn build_deny(scope: &Scope, status: &str) -> Deny {
    let bare = Deny::new(status.parse().unwrap_or(403));
    let denied = response_headers(scope).fold(bare, |deny, (name, value)| deny.header(name, value));
    denied.body(scope.query_param("body").unwrap_or_default())
}

fn build_accept(scope: &Scope) -> Accept<HandshakeConsumer> {
    let bare = accept(HandshakeConsumer { scope: scope_json(scope) });
    let accepted =
        response_headers(scope).fold(bare, |accept, (name, value)| accept.header(name, value));
    match scope.query_param("subprotocol") {
        Some(name) => accepted.subprotocol(name),
        None => accepted,
    }
}

fn response_headers(scope: &Scope) -> impl Iterator<Item = (String, String)> {
    let headers = scope.query_pairs().filter(|(key, _)| key == "header");
    headers.map(|(_, header)| {
        let (name, value) = header.split_once(':').unwrap_or((&header, ""));
        (name.to_owned(), value.to_owned())
    })
}

fn scope_json(scope: &Scope) -> Value {
    let headers: Vec<_> =
        scope.headers.iter().map(|(name, value)| (name, to_lossy_string(value))).collect();
    json!({
        "scheme": scope.scheme,
        "path": scope.path,
        "raw_path": to_lossy_string(&scope.raw_path),
        "query_string": to_lossy_string(&scope.query_string),
        "headers": headers,
        "subprotocols": scope.subprotocols,
        "client": scope.client,
        "server": scope.server,
        "url_route": scope.url_route,
        "user": scope.user,
        "attributes": scope.attributes,
    })
}

fn to_lossy_string(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

narrowboat_guest::export!(HandshakeConsumer);
