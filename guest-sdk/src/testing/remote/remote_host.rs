use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, de::DeserializeOwned};

use super::{
    operation::{Operation, WireHeaders},
    reply::{
        ChannelReply, HandshakeReply, LogReply, ReceivedReply, Reply, RequestReply, SwapReply,
        TtlReply,
    },
    wire_bytes::WireBytes,
};
use crate::{
    close_frame::CloseFrame,
    frame::Frame,
    keyvalue::TimeToLive,
    message,
    testing::{
        ChannelEvent, ConnectRequest, FakeResponse, Handshake, LogLine, Received, RequestFailure,
        RequestRule, SentRequest, SwapReport,
    },
};

/// The longest response of the host, in bytes.
const MAX_RESPONSE_BYTES: u32 = 256 * 1024 * 1024;

/// A connection to `narrowboat test`, which has a host for each connection. A message is its length, as 32 bits in
/// network order, and MessagePack.
pub(crate) struct RemoteHost {
    stream: UnixStream,
}

impl RemoteHost {
    /// Connects to the Unix socket of `narrowboat test`.
    ///
    /// # Errors
    /// The reason why nothing listens there.
    pub(crate) fn connect(path: &Path) -> Result<Self, String> {
        match UnixStream::connect(path) {
            Ok(stream) => Ok(Self { stream }),
            Err(error) => Err(format!(
                "cannot connect to the host of the test at {}: {error}; run the tests with `narrowboat test`, or with \
                 `cargo test` and without NARROWBOAT_TEST_HOST",
                path.display()
            )),
        }
    }

    fn exchange(&mut self, request: &[u8]) -> Result<Vec<u8>, String> {
        let mut exchange = || {
            let length = u32::try_from(request.len()).unwrap_or(u32::MAX);
            self.stream.write_all(&length.to_be_bytes())?;
            self.stream.write_all(request)?;
            let mut length = [0; 4];
            self.stream.read_exact(&mut length)?;
            let length = u32::from_be_bytes(length);
            if length > MAX_RESPONSE_BYTES {
                return Err(std::io::Error::other(format!("a response of {length} bytes")));
            }
            let mut response = vec![0; length as usize];
            self.stream.read_exact(&mut response)?;
            Ok(response)
        };
        exchange().map_err(|error: std::io::Error| {
            format!("the connection to `narrowboat test` has failed: {error}")
        })
    }

    fn call<T: DeserializeOwned>(&mut self, operation: &Operation<'_>) -> Result<T, String> {
        let request = message::to_vec(operation).map_err(|error| error.to_string())?;
        decode_reply(&self.exchange(&request)?)
    }

    /// Sends an operation with a message of the channel layer, which is encoded already.
    fn call_with_message(
        &mut self,
        operation: &str,
        (key, name): (&str, &str),
        message: &[u8],
    ) -> Result<(), String> {
        let fields = [("op", operation), (key, name)];
        let request = encode_with_message(&fields, message).map_err(|error| error.to_string())?;
        decode_reply(&self.exchange(&request)?)
    }

    pub(crate) fn connect_client(&mut self, request: &ConnectRequest) -> Result<u32, String> {
        let ConnectRequest { path, headers, subprotocols, user, url_route, client } = request;
        let operation = Operation::Connect {
            path,
            headers: wire_headers(headers),
            subprotocols,
            user: user.as_deref(),
            url_route: (!url_route.is_empty()).then_some(url_route),
            client: client.as_ref(),
        };
        Ok(self.call::<HandshakeReply>(&operation)?.connection)
    }

    fn handshake_reply(&mut self, connection: u32) -> Result<HandshakeReply, String> {
        self.call(&Operation::Handshake { connection })
    }

    pub(crate) fn handshake(&mut self, connection: u32) -> Result<Handshake, String> {
        Ok(self.handshake_reply(connection)?.into())
    }

    pub(crate) fn channel_name(&mut self, connection: u32) -> Result<String, String> {
        let channel = self.handshake_reply(connection)?.channel;
        channel.ok_or_else(|| format!("the connection {connection} has no channel"))
    }

    pub(crate) fn send(&mut self, connection: u32, frame: Frame) -> Result<(), String> {
        self.call(&Operation::Send { connection, data: frame.into() })
    }

    pub(crate) fn receive(&mut self, connection: u32) -> Result<Option<Received>, String> {
        let reply: Option<ReceivedReply> = self.call(&Operation::Receive { connection })?;
        Ok(reply.map(Received::from))
    }

    pub(crate) fn disconnect(&mut self, connection: u32, close: &CloseFrame) -> Result<(), String> {
        let (code, reason) = (close.code, close.reason.as_str());
        self.call(&Operation::Disconnect { connection, code, reason })
    }

    pub(crate) fn abort(&mut self, connection: u32) -> Result<(), String> {
        self.call(&Operation::Abort { connection })
    }

    pub(crate) fn open_channel(&mut self) -> Result<String, String> {
        Ok(self.call::<ChannelReply>(&Operation::OpenChannel)?.channel)
    }

    pub(crate) fn channel_receive(
        &mut self,
        channel: &str,
    ) -> Result<Option<ChannelEvent>, String> {
        let operation = Operation::ChannelReceive { channel };
        let request = message::to_vec(&operation).map_err(|error| error.to_string())?;
        let response = self.exchange(&request)?;
        // The message stays encoded, because only the test knows its type.
        if let Some(message) = message::value_at(&response, &["ok", "message"]) {
            return Ok(Some(ChannelEvent::message(message)));
        }
        let reply: Option<ReceivedReply> = decode_reply(&response)?;
        match reply.map(Received::from) {
            Some(Received::Frame(frame)) => Ok(Some(ChannelEvent::frame(frame))),
            _ => Ok(None),
        }
    }

    pub(crate) fn group_add(&mut self, group: &str, channel: &str) -> Result<(), String> {
        self.call(&Operation::GroupAdd { group, channel })
    }

    pub(crate) fn group_discard(&mut self, group: &str, channel: &str) -> Result<(), String> {
        self.call(&Operation::GroupDiscard { group, channel })
    }

    pub(crate) fn layer_send(&mut self, channel: &str, message: &[u8]) -> Result<(), String> {
        self.call_with_message("layer_send", ("channel", channel), message)
    }

    pub(crate) fn group_send(&mut self, group: &str, message: &[u8]) -> Result<(), String> {
        self.call_with_message("group_send", ("group", group), message)
    }

    pub(crate) fn group_send_frame(&mut self, group: &str, frame: Frame) -> Result<(), String> {
        self.call(&Operation::GroupSendFrame { group, data: frame.into() })
    }

    pub(crate) fn advance(&mut self, duration: Duration) -> Result<(), String> {
        self.call(&Operation::Advance { milliseconds: milliseconds_of(duration) })
    }

    pub(crate) fn set_time(&mut self, time: SystemTime) -> Result<(), String> {
        let since_epoch = time.duration_since(UNIX_EPOCH);
        let timestamp = since_epoch.map_err(|_| "the time is before 1970".to_owned())?;
        self.call(&Operation::SetTime { timestamp: timestamp.as_secs_f64() })
    }

    pub(crate) fn respond(
        &mut self,
        rule: RequestRule,
        response: FakeResponse,
    ) -> Result<(), String> {
        self.call(&Operation::Respond {
            method: rule.method.as_deref(),
            url: &rule.url,
            status: response.status,
            headers: wire_headers(&response.headers),
            body: response.body.into(),
            times: rule.times,
        })
    }

    pub(crate) fn fail_request(
        &mut self,
        rule: RequestRule,
        failure: RequestFailure,
    ) -> Result<(), String> {
        let RequestRule { method, url, times } = &rule;
        let (method, error) = (method.as_deref(), failure.name());
        self.call(&Operation::FailRequest { method, url, error, times: *times })
    }

    pub(crate) fn requests(&mut self) -> Result<Vec<SentRequest>, String> {
        let requests: Vec<RequestReply> = self.call(&Operation::Requests)?;
        Ok(requests.into_iter().map(SentRequest::from).collect())
    }

    pub(crate) fn swap(&mut self) -> Result<SwapReport, String> {
        self.call_swap(None)
    }

    /// Swaps to a component, whose path is relative to the folder of the plugin.
    pub(crate) fn swap_to_component(&mut self, path: &str) -> Result<SwapReport, String> {
        self.call_swap(Some(path))
    }

    fn call_swap(&mut self, component: Option<&str>) -> Result<SwapReport, String> {
        Ok(self.call::<SwapReply>(&Operation::Swap { files: None, component })?.into())
    }

    pub(crate) fn logs(&mut self) -> Result<Vec<LogLine>, String> {
        let lines: Vec<LogReply> = self.call(&Operation::Logs)?;
        Ok(lines.into_iter().map(LogLine::from).collect())
    }

    pub(crate) fn faults(&mut self) -> Result<Vec<String>, String> {
        self.call(&Operation::Faults)
    }

    pub(crate) fn keyvalue_get(
        &mut self,
        bucket: &str,
        key: &str,
    ) -> Result<Option<Vec<u8>>, String> {
        let value: Option<WireBytes> = self.call(&Operation::KeyvalueGet { bucket, key })?;
        Ok(value.map(WireBytes::into_bytes))
    }

    pub(crate) fn keyvalue_set(
        &mut self,
        bucket: &str,
        key: &str,
        value: &[u8],
        ttl: Option<Duration>,
    ) -> Result<(), String> {
        let (value, ttl) = (value.to_owned().into(), ttl.map(milliseconds_of));
        self.call(&Operation::KeyvalueSet { bucket, key, value, ttl })
    }

    pub(crate) fn keyvalue_delete(&mut self, bucket: &str, key: &str) -> Result<(), String> {
        self.call(&Operation::KeyvalueDelete { bucket, key })
    }

    pub(crate) fn keyvalue_keys(
        &mut self,
        bucket: &str,
        prefix: &str,
    ) -> Result<Vec<String>, String> {
        self.call(&Operation::KeyvalueKeys { bucket, prefix })
    }

    pub(crate) fn keyvalue_ttl(&mut self, bucket: &str, key: &str) -> Result<TimeToLive, String> {
        let reply: Option<TtlReply> = self.call(&Operation::KeyvalueTtl { bucket, key })?;
        Ok(reply.map_or(TimeToLive::Missing, TimeToLive::from))
    }

    pub(crate) fn set_config(
        &mut self,
        changes: BTreeMap<String, Option<String>>,
    ) -> Result<(), String> {
        self.call(&Operation::SetConfig { changes })
    }
}

fn milliseconds_of(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn wire_headers(headers: &[(String, Vec<u8>)]) -> WireHeaders {
    headers.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect()
}

fn decode_reply<T: DeserializeOwned>(response: &[u8]) -> Result<T, String> {
    let mut reader = rmp_serde::Deserializer::from_read_ref(response).with_human_readable();
    match Reply::deserialize(&mut reader) {
        Ok(Reply::Value(value)) => Ok(value),
        Ok(Reply::Error(text)) => Err(text),
        Err(error) => Err(format!(
            "the response of `narrowboat test` cannot be read: {error}; the program and the crate narrowboat-guest may \
             be of different versions"
        )),
    }
}

/// Encodes a map with fields of text and a message.
fn encode_with_message(
    fields: &[(&str, &str)],
    message: &[u8],
) -> Result<Vec<u8>, rmp::encode::ValueWriteError> {
    let mut request = Vec::new();
    rmp::encode::write_map_len(&mut request, 1 + u32::try_from(fields.len()).unwrap_or(u32::MAX))?;
    for (key, value) in fields {
        rmp::encode::write_str(&mut request, key)?;
        rmp::encode::write_str(&mut request, value)?;
    }
    rmp::encode::write_str(&mut request, "message")?;
    request.extend_from_slice(message);
    Ok(request)
}
