use std::collections::BTreeMap;

use serde::Serialize;

use super::wire_bytes::WireBytes;

/// The headers of a request or a response.
pub(super) type WireHeaders = Vec<(String, WireBytes)>;

/// A request to the host of `narrowboat test`: a map with the name of the operation under `op`.
#[derive(Debug, Serialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub(super) enum Operation<'a> {
    Connect {
        path: &'a str,
        headers: WireHeaders,
        subprotocols: &'a [String],
        user: Option<&'a str>,
        /// `None` leaves the captures of the route as they are.
        url_route: Option<&'a BTreeMap<String, String>>,
        client: Option<&'a (String, u16)>,
    },
    Handshake {
        connection: u32,
    },
    Send {
        connection: u32,
        data: WireBytes,
    },
    Receive {
        connection: u32,
    },
    Disconnect {
        connection: u32,
        code: u16,
        reason: &'a str,
    },
    Abort {
        connection: u32,
    },
    OpenChannel,
    ChannelReceive {
        channel: &'a str,
    },
    GroupAdd {
        group: &'a str,
        channel: &'a str,
    },
    GroupDiscard {
        group: &'a str,
        channel: &'a str,
    },
    GroupSendFrame {
        group: &'a str,
        data: WireBytes,
    },
    SetTime {
        timestamp: f64,
    },
    Advance {
        milliseconds: u64,
    },
    Respond {
        method: Option<&'a str>,
        url: &'a str,
        status: u16,
        headers: WireHeaders,
        body: WireBytes,
        times: Option<u32>,
    },
    FailRequest {
        method: Option<&'a str>,
        url: &'a str,
        error: &'static str,
        times: Option<u32>,
    },
    Requests,
    Swap {
        /// The files of a source plugin that change; `None` for a component.
        files: Option<()>,
        component: Option<&'a str>,
    },
    Logs,
    Faults,
    KeyvalueGet {
        bucket: &'a str,
        key: &'a str,
    },
    KeyvalueSet {
        bucket: &'a str,
        key: &'a str,
        value: WireBytes,
        /// Milliseconds.
        ttl: Option<u64>,
    },
    KeyvalueDelete {
        bucket: &'a str,
        key: &'a str,
    },
    KeyvalueKeys {
        bucket: &'a str,
        prefix: &'a str,
    },
    KeyvalueTtl {
        bucket: &'a str,
        key: &'a str,
    },
    SetConfig {
        /// `None` removes a key.
        changes: BTreeMap<String, Option<String>>,
    },
}
