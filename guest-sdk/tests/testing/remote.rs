//! The host of `narrowboat test`. A thread plays its part: it answers each operation with a fixed response. The client
//! side runs in a process of its own, because a variable of the environment selects the host.
#![cfg(unix)]

use std::collections::BTreeMap;
use std::env;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use narrowboat_guest::log::Level;
use narrowboat_guest::prelude::*;
use narrowboat_guest::testing::{
    ConnectRequest, FakeResponse, Handshake, Host, LogLine, RequestFailure, RequestRule,
};
use serde_json::{Value, json};

/// The field of a request or a response.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Field {
    Json(Value),
    Bytes(serde_bytes::ByteBuf),
    List(Vec<Field>),
    Map(BTreeMap<String, Field>),
}

type Fields = BTreeMap<String, Field>;

fn text(text: &str) -> Field {
    Field::Json(text.into())
}

fn bytes(bytes: &[u8]) -> Field {
    Field::Bytes(bytes.to_owned().into())
}

/// The response to an operation.
fn response(operation: &str) -> Field {
    let value = match operation {
        "connect" | "handshake" => Field::Map(BTreeMap::from([
            ("connection".to_owned(), Field::Json(7.into())),
            ("state".to_owned(), text("accepted")),
            ("subprotocol".to_owned(), text("chat")),
            ("channel".to_owned(), text("specific.a!1")),
            ("headers".to_owned(), Field::List(vec![Field::List(vec![text("x-id"), bytes(b"7")])])),
        ])),
        "receive" => Field::Map(BTreeMap::from([("data".to_owned(), bytes(&[0, 255]))])),
        "open_channel" => Field::Json(json!({ "channel": "specific.a!2" })),
        "channel_receive" => {
            Field::Json(json!({ "message": { "type": "chat.message", "list": [1, "two"] } }))
        }
        "requests" => Field::List(vec![Field::Map(BTreeMap::from([
            ("method".to_owned(), text("GET")),
            ("url".to_owned(), text("https://a/")),
            ("headers".to_owned(), Field::List(vec![])),
            ("body".to_owned(), bytes(b"body")),
        ]))]),
        "swap" => Field::Json(json!({ "version": "abc", "moved": 2 })),
        "logs" => Field::Json(json!([{ "level": "warn", "message": "m", "context": "c" }])),
        "faults" => Field::Json(json!(["trap"])),
        "keyvalue_get" => bytes(b"value"),
        "keyvalue_keys" => Field::Json(json!(["a", "b"])),
        "keyvalue_ttl" => Field::Json(json!({ "milliseconds": 1500 })),
        "abort" => {
            return Field::Map(BTreeMap::from([("error".to_owned(), text("it is gone"))]));
        }
        _ => Field::Json(Value::Null),
    };
    Field::Map(BTreeMap::from([("ok".to_owned(), value)]))
}

fn read_request(stream: &mut UnixStream) -> Option<Fields> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).ok()?;
    let mut request = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut request).ok()?;
    Some(rmp_serde::from_slice(&request).unwrap())
}

/// Serves one test, and sends its requests to the receiver.
fn serve(listener: UnixListener) -> Receiver<Fields> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        while let Some(request) = read_request(&mut stream) {
            let Field::Json(Value::String(operation)) = &request["op"] else { panic!("no op") };
            let response = rmp_serde::to_vec_named(&response(operation)).unwrap();
            sender.send(request).unwrap();
            stream.write_all(&u32::try_from(response.len()).unwrap().to_be_bytes()).unwrap();
            stream.write_all(&response).unwrap();
        }
    });
    receiver
}

/// Runs one of the ignored tests below in a process of its own, and returns the requests that it has sent.
fn requests_of(name: &str) -> Vec<Fields> {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.socket"));
    let _ = std::fs::remove_file(&path);
    let receiver = serve(UnixListener::bind(&path).unwrap());
    let output = Command::new(env::current_exe().unwrap())
        .args(["--exact", "--ignored", &format!("remote::{name}")])
        .env("NARROWBOAT_TEST_HOST", &path)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    receiver.into_iter().collect()
}

fn request_to<'a>(requests: &'a [Fields], operation: &str) -> &'a Fields {
    requests.iter().find(|request| request["op"] == text(operation)).unwrap()
}

#[derive(Serialize, Deserialize)]
struct Nothing;

impl Consumer for Nothing {
    type Message = NoMessage;

    fn connect(_: &Scope, _: &Connection) -> Result<Accept<Self>, Deny> {
        Err(deny(500))
    }
}

#[test]
#[ignore = "the test below runs it in a process of its own"]
fn client_of_connections() {
    let host = Host::new::<Nothing>();
    assert!(host.is_sandboxed());
    let request = ConnectRequest::new("/a?b").header("x", [0, 1]).url_route("room", "red");
    let client = host.connect(request.subprotocol("chat").user("ada").client("::1", 9)).unwrap();
    let Handshake::Accepted { headers, .. } = client.handshake() else { panic!("not accepted") };
    assert_eq!(headers, [("x-id".to_owned(), b"7".to_vec())]);
    assert_eq!(client.channel_name(), "specific.a!1");
    client.send_to("hello");
    assert_eq!(client.receive_from(), Frame::from(vec![0, 255]));
    client.disconnect(4000, "bye");
}

#[test]
fn the_operations_of_a_connection_go_to_the_host_of_narrowboat_test() {
    let requests = requests_of("client_of_connections");
    let connect = request_to(&requests, "connect");
    assert_eq!(connect["path"], text("/a?b"));
    assert_eq!(connect["headers"], Field::List(vec![Field::List(vec![text("x"), bytes(&[0, 1])])]));
    assert_eq!(connect["subprotocols"], Field::Json(json!(["chat"])));
    assert_eq!(connect["user"], text("\"ada\""));
    assert_eq!(connect["url_route"], Field::Json(json!({ "room": "red" })));
    assert_eq!(connect["client"], Field::Json(json!(["::1", 9])));
    let send = request_to(&requests, "send");
    assert_eq!((&send["connection"], &send["data"]), (&Field::Json(7.into()), &text("hello")));
    let disconnect = request_to(&requests, "disconnect");
    assert_eq!(disconnect["code"], Field::Json(4000.into()));
    assert_eq!(disconnect["reason"], text("bye"));
}

#[test]
#[ignore = "the test below runs it in a process of its own"]
fn client_of_the_host() {
    let host = Host::new::<Nothing>();
    let channel = host.open_channel();
    channel.group_add("room");
    host.group_send("room", &json!({ "type": "chat.message", "list": [1] }));
    let message: Value = channel.receive_message();
    assert_eq!(message, json!({ "type": "chat.message", "list": [1, "two"] }));
    host.advance(Duration::from_secs(2));
    host.respond(
        RequestRule::method("get", "https://a/*").times(3),
        FakeResponse::new(404).body("no"),
    );
    host.fail_request("https://b/", RequestFailure::Dns);
    assert_eq!(host.requests()[0].text(), "body");
    assert_eq!(host.swap().moved, 2);
    assert_eq!(host.swap_to_component("new.wasm").unwrap().version, "abc");
    assert!(host.swap_to::<Nothing>().unwrap_err().contains("swap_to_component"));
    let line = LogLine { level: Level::Warn, context: "c".to_owned(), message: "m".to_owned() };
    assert_eq!((host.logs(), host.faults()), (vec![line], vec!["trap".to_owned()]));
    let bucket = host.keyvalue("bucket");
    bucket.set("key", [1, 2]);
    assert_eq!(bucket.get_text("key").as_deref(), Some("value"));
    assert_eq!(bucket.keys(), ["a", "b"]);
    bucket.set_with_ttl("session", "ann", Duration::from_secs(60));
    assert_eq!(bucket.ttl("session").remaining(), Some(Duration::from_millis(1_500)));
    host.set_config("api_key", "new");
    host.remove_config("old");
}

#[test]
fn the_operations_of_a_host_go_to_the_host_of_narrowboat_test() {
    let requests = requests_of("client_of_the_host");
    let sent = request_to(&requests, "group_send");
    let message = json!({ "type": "chat.message", "list": [1] });
    assert_eq!((&sent["group"], &sent["message"]), (&text("room"), &Field::Json(message)));
    assert_eq!(request_to(&requests, "advance")["milliseconds"], Field::Json(2000.into()));
    let respond = request_to(&requests, "respond");
    assert_eq!((&respond["method"], &respond["url"]), (&text("GET"), &text("https://a/*")));
    assert_eq!((&respond["body"], &respond["times"]), (&bytes(b"no"), &Field::Json(3.into())));
    assert_eq!(request_to(&requests, "fail_request")["error"], text("dns"));
    assert_eq!(request_to(&requests, "fail_request")["method"], Field::Json(Value::Null));
    let swaps: Vec<_> = requests.iter().filter(|request| request["op"] == text("swap")).collect();
    assert_eq!(swaps[0]["component"], Field::Json(Value::Null));
    assert_eq!(swaps[1]["component"], text("new.wasm"));
    let sets: Vec<_> =
        requests.iter().filter(|request| request["op"] == text("keyvalue_set")).collect();
    assert_eq!((&sets[0]["value"], &sets[0]["ttl"]), (&bytes(&[1, 2]), &Field::Json(Value::Null)));
    assert_eq!(sets[1]["ttl"], Field::Json(60_000.into()));
    assert_eq!(request_to(&requests, "keyvalue_keys")["prefix"], text(""));
    let changes: Vec<_> =
        requests.iter().filter(|request| request["op"] == text("set_config")).collect();
    assert_eq!(changes[0]["changes"], Field::Json(json!({ "api_key": "new" })));
    assert_eq!(changes[1]["changes"], Field::Json(json!({ "old": null })));
}

#[test]
#[ignore = "the test below runs it in a process of its own"]
fn client_of_an_error() {
    let host = Host::new::<Nothing>();
    let client = host.connect("/").unwrap();
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || client.abort()));
    assert_eq!(panic.unwrap_err().downcast_ref::<String>().unwrap(), "it is gone");
}

#[test]
fn an_error_of_the_host_fails_the_operation() {
    assert_eq!(requests_of("client_of_an_error").len(), 3);
}
