use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

#[cfg(unix)]
use super::remote::RemoteHost;
use super::{
    channel_event::ChannelEvent,
    connect_request::ConnectRequest,
    fake_server::{FakeResponse, RequestFailure, RequestRule, SentRequest},
    handshake::Handshake,
    log_line::LogLine,
    native::{NativeHost, PluginCode},
    received::Received,
    swap_report::SwapReport,
};
use crate::{close_frame::CloseFrame, frame::Frame, keyvalue::TimeToLive};

/// The backend that a host shares with its communicators and channels.
pub(super) type SharedBackend = Rc<RefCell<Backend>>;

type OperationResult<T> = Result<T, String>;

/// The host behind the interface of the tests.
pub(super) enum Backend {
    /// In this process, under `cargo test`.
    Native(Box<NativeHost>),
    /// In `narrowboat test`, with the plugin in the sandbox.
    #[cfg(unix)]
    Remote(RemoteHost),
}

/// Defines operations that both hosts have.
macro_rules! operations {
    ($(fn $name:ident($($argument:ident: $type:ty),*) -> $result:ty;)*) => {
        impl Backend {
            $(
                pub(super) fn $name(&mut self, $($argument: $type),*) -> OperationResult<$result> {
                    match self {
                        Self::Native(host) => host.$name($($argument),*),
                        #[cfg(unix)]
                        Self::Remote(host) => host.$name($($argument),*),
                    }
                }
            )*
        }
    };
}

operations! {
    fn connect_client(request: &ConnectRequest) -> u32;
    fn handshake(connection: u32) -> Handshake;
    fn channel_name(connection: u32) -> String;
    fn send(connection: u32, frame: Frame) -> ();
    fn receive(connection: u32) -> Option<Received>;
    fn disconnect(connection: u32, close: &CloseFrame) -> ();
    fn abort(connection: u32) -> ();
    fn open_channel() -> String;
    fn channel_receive(channel: &str) -> Option<ChannelEvent>;
    fn group_add(group: &str, channel: &str) -> ();
    fn group_discard(group: &str, channel: &str) -> ();
    fn layer_send(channel: &str, message: &[u8]) -> ();
    fn group_send(group: &str, message: &[u8]) -> ();
    fn group_send_frame(group: &str, frame: Frame) -> ();
    fn advance(duration: Duration) -> ();
    fn set_time(time: SystemTime) -> ();
    fn respond(rule: RequestRule, response: FakeResponse) -> ();
    fn fail_request(rule: RequestRule, failure: RequestFailure) -> ();
    fn requests() -> Vec<SentRequest>;
    fn swap() -> SwapReport;
    fn logs() -> Vec<LogLine>;
    fn faults() -> Vec<String>;
    fn keyvalue_get(bucket: &str, key: &str) -> Option<Vec<u8>>;
    fn keyvalue_set(bucket: &str, key: &str, value: &[u8], ttl: Option<Duration>) -> ();
    fn keyvalue_delete(bucket: &str, key: &str) -> ();
    fn keyvalue_keys(bucket: &str, prefix: &str) -> Vec<String>;
    fn keyvalue_ttl(bucket: &str, key: &str) -> TimeToLive;
    fn set_config(changes: BTreeMap<String, Option<String>>) -> ();
}

impl Backend {
    /// Swaps to other types of consumers and workers, which only the host in this process can do.
    pub(super) fn swap_to_code(&mut self, code: PluginCode) -> OperationResult<SwapReport> {
        match self {
            Self::Native(host) => host.swap_to(&code),
            #[cfg(unix)]
            Self::Remote(_) => Err(
                "the sandbox runs components, and cannot swap to a type of the test: use Host::swap or \
                 Host::swap_to_component, or ask Host::is_sandboxed first"
                    .to_owned(),
            ),
        }
    }

    /// Swaps to a component, which only `narrowboat test` can do.
    pub(super) fn swap_to_component(&mut self, path: &str) -> OperationResult<SwapReport> {
        match self {
            Self::Native(_) => Err(format!(
                "only `narrowboat test` can run the component {path}: use Host::swap or Host::swap_to, or ask \
                 Host::is_sandboxed first"
            )),
            #[cfg(unix)]
            Self::Remote(host) => host.swap_to_component(path),
        }
    }
}
