//! Fuzz tests of the parsers: no input makes them panic. The inputs are valid seeds with random edits. `make fuzz` runs
//! many more cases.

#![allow(clippy::unwrap_used, reason = "in a test it is the assertion")]

use std::path::Path;
use std::time::Duration;

use narrowboat_config::signature::{PublicKey, Signature};
use narrowboat_config::{Config, RoutePattern};
use narrowboat_core::component;
use narrowboat_core::handshake_response::HostRejection;
use narrowboat_core::manifest::Manifest;
use narrowboat_core::message::Message;
use narrowboat_websocket::connection::ClientStream;
use narrowboat_websocket::handshake::{
    self, Decision, HandshakeLimits, HandshakeOutcome, PeerInfo,
};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A random edit of an input.
#[derive(Debug, Clone)]
enum Edit {
    Cut(Index, Index),
    Repeat(Index, Index),
    Insert(Index, Vec<u8>),
    Replace(Index, u8),
}

fn edit(words: &'static [&'static str]) -> impl Strategy<Value = Edit> {
    let index = any::<Index>;
    let word = prop_oneof![
        select(words).prop_map(|word| word.as_bytes().to_vec()),
        prop::collection::vec(any::<u8>(), 1..6),
    ];
    prop_oneof![
        (index(), index()).prop_map(|(from, to)| Edit::Cut(from, to)),
        (index(), index()).prop_map(|(from, to)| Edit::Repeat(from, to)),
        (index(), word).prop_map(|(at, word)| Edit::Insert(at, word)),
        (index(), any::<u8>()).prop_map(|(at, byte)| Edit::Replace(at, byte)),
    ]
}

impl Edit {
    fn apply(&self, bytes: &mut Vec<u8>) {
        let at = |index: &Index, len: usize| index.index(len + 1);
        let range = |from: &Index, to: &Index, len: usize| {
            let (from, to) = (at(from, len), at(to, len));
            from.min(to)..from.max(to)
        };
        match self {
            Self::Cut(from, to) => drop(bytes.drain(range(from, to, bytes.len()))),
            Self::Repeat(from, to) => {
                let range = range(from, to, bytes.len());
                let copy = bytes[range.clone()].to_vec();
                bytes.splice(range.end..range.end, copy);
            }
            Self::Insert(index, word) => {
                let at = at(index, bytes.len());
                bytes.splice(at..at, word.iter().copied());
            }
            Self::Replace(index, byte) if !bytes.is_empty() => {
                let at = index.index(bytes.len());
                bytes[at] = *byte;
            }
            Self::Replace(..) => {}
        }
    }
}

/// Generates a seed with up to seven edits. An edit may insert one of the words.
fn edited(
    seeds: &'static [&'static [u8]],
    words: &'static [&'static str],
) -> impl Strategy<Value = Vec<u8>> {
    let edits = prop::collection::vec(edit(words), 0..8);
    (select(seeds), edits).prop_map(|(seed, edits)| {
        let mut bytes = seed.to_vec();
        edits.iter().for_each(|edit| edit.apply(&mut bytes));
        bytes
    })
}

const CONFIGURATION: &[u8] = br#"
listen = "127.0.0.1:0"
watch = "poll"
[plugins.chat]
component = "chat.wasm"
isolation = "shared"
limits = { memory = "16 MiB", cpu = "500ms", bytes_in = "1 MiB" }
rollback = { window = "5s", faults_per_thousand = 5 }
[plugins.chat.grants]
groups = ["room.*", "x[!ab]?"]
channels = ["jobs"]
log = true
[plugins.talk]
component = "talk.wasm"
grants = "all"
[[routes]]
path = "/chat/{room}/"
plugin = "chat"
[[routes]]
regex = '^/x/(?P<y>\d+)$'
plugin = "chat"
max_message = "2 MiB"
[[workers]]
channel = "jobs"
plugin = "chat"
every = "10s"
[limits]
ping_interval = "5s"
[layer]
backend = "redis"
hosts = [["10.0.0.5", 6379], "redis://u:p@h:1/2", { sentinels = [["s", 26379]], master_name = "m" }]
symmetric_encryption_keys = ["secret"]
channel_capacity = { "a*" = 3 }
[layers.other]
backend = "memory"
[tenants.acme]
hosts = [".acme.example"]
path = "/acme"
limits = { connections = 5 }
tokens = [{ name = "a", file = "a.token", scopes = ["deploy"] }]
plugins = { echo = { crate = "echo" } }
routes = [{ path = "/", plugin = "echo" }]
[admin]
[[admin.tokens]]
name = "ci"
sha256 = "0000000000000000000000000000000000000000000000000000000000000000"
scopes = ["deploy"]
[versions]
keep = 5
[traces]
endpoint = "http://localhost:4318/v1/traces"
[signatures]
keys = ["release.pub"]
"#;

const CONFIGURATION_WORDS: &[&str] = &[
    "[",
    "]]",
    "=",
    "\"",
    "{",
    "}",
    "\n",
    "[plugins.",
    "[[routes]]\n",
    "[admin]\n",
    "0",
    "-1",
    "\"1 EiB\"",
    "\"99999999999d\"",
    "é",
    "{room",
    "(?P<",
    "unix://",
    "rediss://[::1",
    "@",
    "%zz",
];

const MANIFEST: &[u8] =
    b"name = \"chat\"\ndescription = \"talks\"\nisolation = \"shared\"\nexecution = \
    \"thread\"\n[limits]\nmemory = \"16 MiB\"\ncall_time = \"20ms\"\nworker_time = \"2s\"\n[capabilities]\ngroups = [\"room.*\"]\nchannels = [\"x[!ab]?\"]\nlog = true\nclocks = true\n";

const MESSAGES: &[&[u8]] = &[
    b"\x82\xa4type\xacchat.message\xa4text\xa5hello",
    b"\x81\xa4type\xa1t",
    b"\x84\xa4type\xa1t\xa1a\x93\x01\xcb\x40\x09\x21\xfb\x54\x44\x2d\x18\xc0\xa1b\x81\xa1c\xc4\x02\x00\xff\xa1d\xd3\x80\x00\x00\x00\x00\x00\x00\x00",
    b"\xde\x00\x01\xa4type\xda\x00\x01t",
];

const PATTERNS: &[&[u8]] = &[b"/chat/{room}/", b"^/chat/(?P<room>\\w+)/$", b"/a/{b}/{c}", b"/"];

const REQUEST: &[u8] =
    b"GET /chat/red/?a=%20b HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
    Connection: keep-alive, Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: a, b\r\nOrigin: http://localhost\r\n\r\n";

const REQUEST_WORDS: &[&str] = &[
    "\r\n",
    "\r\n\r\n",
    ":",
    " ",
    "GET ",
    "POST ",
    "HTTP/1.0",
    "HTTP/2",
    "Upgrade: h2c\r\n",
    "Content-Length: 5\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Sec-WebSocket-Key: \r\n",
    "%",
    "%00",
    "//",
    "Host: \r\n",
    "\u{ff}",
];

const SIGNATURES: &[&[u8]] = &[
    b"5VZDAMNgrHKQhuLMgG6CioSHfx64tl12mIc95+BlIkkBVVZAnKPOPAGV1UHDVfW0bKgz8Jkk8nsI6bsTh1Jxww==\n",
    &[7; 64],
];

const PUBLIC_KEY: &[u8] = b"-----BEGIN PUBLIC KEY-----\n\
    MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n\
    -----END PUBLIC KEY-----\n";

/// An empty component that carries a manifest.
const COMPONENT: &[u8] =
    b"\0asm\x0d\0\x01\0\x00\x24\x13narrowboat:manifestname = \"echo\"\n\x07\x01\x00\x0b\x01\x00";

proptest! {
    #[test]
    fn a_configuration_does_not_panic(bytes in edited(&[CONFIGURATION], CONFIGURATION_WORDS)) {
        let text = String::from_utf8_lossy(&bytes);
        if let Err(error) = Config::parse(&text, Path::new("boat.toml")) {
            prop_assert!(error.to_string().starts_with("boat.toml:"), "{error}");
        }
    }

    #[test]
    fn a_manifest_does_not_panic(bytes in edited(&[MANIFEST, b"name = \"a\""], CONFIGURATION_WORDS)) {
        let _ = Manifest::parse(&bytes);
    }

    #[test]
    fn a_component_does_not_panic(bytes in edited(&[COMPONENT], &["\0asm", "\x01", "\x7f", "\x0b"])) {
        let _ = component::parse_info(&bytes);
    }

    #[test]
    fn a_signature_does_not_panic(bytes in edited(SIGNATURES, &["=", "\n", "A", "\u{ff}"])) {
        if let Ok(signature) = Signature::parse(&bytes) {
            prop_assert_eq!(signature.to_base64().parse(), Ok(signature));
        }
    }

    #[test]
    fn a_public_key_does_not_panic(bytes in edited(&[PUBLIC_KEY], &["-----", "BEGIN ", "\r\n", "=", "MCow"])) {
        if let Some(key) = PublicKey::parse(&bytes) {
            prop_assert!(!key.verify(b"component", &Signature::parse(&[7; 64]).unwrap()));
        }
    }

    #[test]
    fn a_message_does_not_panic(bytes in edited(MESSAGES, &["\u{81}", "type", "\u{ff}", "\x00"])) {
        let len = bytes.len();
        if let Ok(message) = Message::parse(bytes.into(), 1 << 20) {
            prop_assert!(!message.message_type().is_empty() && !message.message_type().starts_with('_'));
            prop_assert_eq!(message.len(), len);
        }
    }

    #[test]
    fn a_route_does_not_panic(
        bytes in edited(PATTERNS, &["{", "}", "(", "?P<a>", "*", "\\", "[^", "/", "é", "{1,9}"]),
        path in "/[a-z/%.]{0,20}",
    ) {
        let text = String::from_utf8_lossy(&bytes);
        for pattern in [RoutePattern::from_path(&text), RoutePattern::from_regex(&text)].into_iter().flatten() {
            let _ = pattern.captures(&path);
        }
    }

    #[test]
    fn a_handshake_does_not_panic(bytes in edited(&[REQUEST], REQUEST_WORDS)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(perform_handshake(&bytes));
    }
}

/// Sends bytes to a handshake, and checks that it ends with an HTTP response or none.
async fn perform_handshake(bytes: &[u8]) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (stream, client_addr) = listener.accept().await.unwrap();
    let peer =
        PeerInfo { client_addr, server_addr: listener.local_addr().unwrap(), is_secure: false };
    let limits = HandshakeLimits { timeout: Duration::from_secs(10), max_frame: 1 << 16 };
    let server = async {
        let decide = |_| async { Decision::<()>::Reject(HostRejection::OriginNotAllowed.into()) };
        if let Ok(HandshakeOutcome::Open(..)) =
            handshake::accept(ClientStream::Left(stream.into()), peer, limits, decide).await
        {
            panic!("a rejected handshake opened a socket");
        }
    };
    let exchange = async {
        // The host may close the socket before it has read all bytes.
        let _ = client.write_all(bytes).await;
        let _ = client.shutdown().await;
        let mut response = Vec::new();
        let _ = client.read_to_end(&mut response).await;
        assert!(response.is_empty() || response.starts_with(b"HTTP/1."), "{response:?}");
    };
    tokio::join!(server, exchange);
}
