//! The requests of a test to its host.
//!
//! A request is a MessagePack map with its name under `op`. The response is a map with the value under `ok`, or with a text
//! under `error`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};

/// A request of a test to its host.
#[derive(Debug, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub(crate) enum Request {
    /// Opens a connection.
    Connect(ConnectRequest),
    /// Asks for the decision about a connection whose consumer decides later.
    Handshake {
        connection: u32,
    },
    /// Sends a message of the client.
    Send {
        connection: u32,
        data: Data,
    },
    /// Takes the next message or the Close frame that the client has got.
    Receive {
        connection: u32,
    },
    /// Closes a connection as its client.
    Disconnect {
        connection: u32,
        #[serde(default = "normal_closure")]
        code: u16,
        #[serde(default)]
        reason: String,
    },
    /// Ends a connection without a Close frame.
    Abort {
        connection: u32,
    },
    /// Opens a channel of the test itself.
    OpenChannel,
    /// Takes the next message or frame of a channel of the test.
    ChannelReceive {
        channel: String,
    },
    GroupAdd {
        group: String,
        channel: String,
    },
    GroupDiscard {
        group: String,
        channel: String,
    },
    /// Sends a message to a channel.
    LayerSend {
        channel: String,
        message: rmpv::Value,
    },
    GroupSend {
        group: String,
        message: rmpv::Value,
    },
    GroupSendFrame {
        group: String,
        data: Data,
    },
    /// Advances the clock. Timers expire in their order meanwhile.
    Advance {
        milliseconds: u64,
    },
    /// Sets the wall clock, as the seconds since the Unix epoch. No timer expires, and schedules begin anew.
    SetTime {
        timestamp: f64,
    },
    /// Sets the response to HTTP requests of the plugin.
    Respond(RespondRequest),
    /// Makes HTTP requests of the plugin fail.
    #[serde(rename = "fail_request")]
    Fail {
        #[serde(default)]
        method: Option<String>,
        url: String,
        error: RequestFailure,
        #[serde(default)]
        times: Option<u32>,
    },
    /// Lists the HTTP requests that the plugin has sent.
    Requests,
    /// Makes another version of the plugin live.
    Swap {
        /// The files that differ, by path; `None` removes a file.
        #[serde(default)]
        files: Option<BTreeMap<String, Option<Data>>>,
        /// The path of another component, relative to the plugin's folder.
        #[serde(default)]
        component: Option<String>,
    },
    /// Reads a file of the plugin.
    ReadFile {
        path: String,
    },
    /// Lists the log lines of the plugin.
    Logs,
    /// Lists the faults of the plugin.
    Faults,
    KeyvalueGet {
        bucket: String,
        key: String,
    },
    KeyvalueSet {
        bucket: String,
        key: String,
        value: Data,
        /// Milliseconds after which the key is deleted.
        #[serde(default)]
        ttl: Option<u64>,
    },
    KeyvalueDelete {
        bucket: String,
        key: String,
    },
    KeyvalueIncrement {
        bucket: String,
        key: String,
        delta: i64,
    },
    /// Sets a value if the key has another one.
    KeyvalueCompareAndSet {
        bucket: String,
        key: String,
        /// `None`: no such key.
        expected: Option<Data>,
        value: Data,
    },
    /// Asks for the time that a key has left.
    KeyvalueTtl {
        bucket: String,
        key: String,
    },
    /// Changes the time that a key has left.
    KeyvalueSetTtl {
        bucket: String,
        key: String,
        /// Milliseconds; `None`: no end.
        ttl: Option<u64>,
    },
    KeyvalueKeys {
        bucket: String,
        #[serde(default)]
        prefix: String,
    },
    /// Sets keys of the plugin's configuration, as `config_changes` reads them.
    SetConfig {
        changes: rmpv::Value,
    },
    /// Reads the plugin's configuration.
    Config,
}

/// The handshake of a connection.
#[derive(Debug, Deserialize)]
pub(crate) struct ConnectRequest {
    /// The path, with the query string.
    pub(crate) path: String,
    #[serde(default)]
    pub(crate) headers: Vec<(String, Data)>,
    #[serde(default)]
    pub(crate) subprotocols: Vec<String>,
    /// The claims of the user, as JSON.
    #[serde(default)]
    pub(crate) user: Option<String>,
    /// The captures of the route, instead of those of the path.
    #[serde(default)]
    pub(crate) url_route: Option<BTreeMap<String, String>>,
    /// The address of the client.
    #[serde(default)]
    pub(crate) client: Option<(String, u16)>,
}

/// A response to HTTP requests of the plugin.
#[derive(Debug, Deserialize)]
pub(crate) struct RespondRequest {
    /// `None`: any method.
    #[serde(default)]
    pub(crate) method: Option<String>,
    /// The URL, or its beginning and `*`.
    pub(crate) url: String,
    pub(crate) status: u16,
    #[serde(default)]
    pub(crate) headers: Vec<(String, Data)>,
    #[serde(default)]
    pub(crate) body: Data,
    /// The number of requests that get the response; `None`: all.
    #[serde(default)]
    pub(crate) times: Option<u32>,
}

/// How an HTTP request of the plugin fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RequestFailure {
    /// The server refuses the connection.
    Refused,
    /// The server does not answer in time.
    Timeout,
    /// The name of the server is unknown.
    Dns,
    /// The server closes the connection before it answers.
    Closed,
}

/// A text or bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Data {
    Text(String),
    Binary(Vec<u8>),
}

impl Data {
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        match self {
            Self::Text(text) => text.into_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }
}

impl Default for Data {
    fn default() -> Self {
        Self::Binary(Vec::new())
    }
}

impl<'de> Deserialize<'de> for Data {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DataVisitor)
    }
}

struct DataVisitor;

impl Visitor<'_> for DataVisitor {
    type Value = Data;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("a text or bytes")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Data, E> {
        Ok(Data::Text(text.to_owned()))
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Data, E> {
        Ok(Data::Binary(bytes.to_vec()))
    }
}

fn normal_closure() -> u16 {
    narrowboat_core::close_frame::code::NORMAL_CLOSURE
}

impl Request {
    /// Parses the bytes of a request.
    ///
    /// # Errors
    /// The problem, for the author of the test.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, String> {
        rmp_serde::from_slice(bytes).map_err(|error| format!("the request is not valid: {error}"))
    }
}
