use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use serde::Serialize;

use super::{
    backend::{Backend, SharedBackend},
    channel::Channel,
    communicator::Communicator,
    connect_request::ConnectRequest,
    failure::expect,
    fake_server::{FakeResponse, RequestFailure, RequestRule, SentRequest},
    handshake::{Handshake, Rejection},
    host_builder::HostBuilder,
    key_value_bucket::KeyValueBucket,
    log_line::LogLine,
    native::PluginCode,
    swap_report::SwapReport,
};
use crate::{consumer::Consumer, frame::Frame, message, worker::Worker};

/// The host of one test: it runs a plugin without sockets, with a channel layer in memory, a clock that only the test
/// advances, and servers that are rules of the test.
///
/// Each operation returns when the plugin has nothing left to do, so no test waits. Operations that fail panic, and the
/// message names the line of the test. A panic of the plugin does not end the test: it closes the connection with 1011,
/// and [`Host::faults`] has its message.
pub struct Host {
    backend: SharedBackend,
}

impl Host {
    /// Creates a host for a plugin with consumers of type `C`. Each connection has an instance of its own.
    ///
    /// # Panics
    /// Under `narrowboat test`, if its host does not answer.
    #[must_use]
    #[track_caller]
    pub fn new<C: Consumer>() -> Self {
        Self::builder().consumer::<C>().build()
    }

    /// Creates a host for a plugin with a worker of type `W`, which handles the messages of `channel`.
    ///
    /// # Panics
    /// As [`Host::new`].
    #[must_use]
    #[track_caller]
    pub fn of_worker<W: Worker>(channel: &str) -> Self {
        Self::builder().worker::<W>(channel).build()
    }

    /// Returns a builder for plugins with a consumer and workers, or with a shared instance.
    #[must_use]
    pub fn builder() -> HostBuilder {
        HostBuilder::default()
    }

    pub(super) fn with_backend(backend: Backend) -> Self {
        Self { backend: Rc::new(RefCell::new(backend)) }
    }

    /// Whether the plugin runs in the sandbox of `narrowboat test`.
    #[must_use]
    pub fn is_sandboxed(&self) -> bool {
        !matches!(*self.backend.borrow(), Backend::Native(_))
    }

    /// Connects a client. The argument is a path or a [`ConnectRequest`]. The result is a [`Communicator`] too if the
    /// consumer decides later; [`Communicator::handshake`] has its decision.
    ///
    /// # Errors
    /// The [`Rejection`] of the consumer. If the consumer failed, its status is 500.
    ///
    /// # Panics
    /// If the host has no consumer.
    #[track_caller]
    pub fn connect(&self, request: impl Into<ConnectRequest>) -> Result<Communicator, Rejection> {
        let connection = expect(self.backend.borrow_mut().connect_client(&request.into()));
        let handshake = expect(self.backend.borrow_mut().handshake(connection));
        match handshake {
            Handshake::Rejected(rejection) => Err(rejection),
            Handshake::Accepted { .. } | Handshake::Undecided => {
                Ok(Communicator::new(&self.backend, connection))
            }
        }
    }

    /// Opens a channel of the test itself: another member of a group, or the receiver of replies.
    #[track_caller]
    pub fn open_channel(&self) -> Channel {
        let name = expect(self.backend.borrow_mut().open_channel());
        Channel::new(&self.backend, name)
    }

    /// Sends a message to a channel: that of a connection, of a worker or of the test. In the plugin:
    /// [`ChannelLayer::send`](crate::ChannelLayer::send).
    ///
    /// # Panics
    /// If the name or the message is not valid.
    #[track_caller]
    pub fn send<M: Serialize + ?Sized>(&self, channel: &str, message: &M) {
        let message = expect(message::encode(message));
        expect(self.backend.borrow_mut().layer_send(channel, &message));
    }

    /// Sends a message to every member of a group. In the plugin:
    /// [`ChannelLayer::group_send`](crate::ChannelLayer::group_send).
    ///
    /// # Panics
    /// If the name or the message is not valid.
    #[track_caller]
    pub fn group_send<M: Serialize + ?Sized>(&self, group: &str, message: &M) {
        let message = expect(message::encode(message));
        expect(self.backend.borrow_mut().group_send(group, &message));
    }

    /// Sends a frame to the client of every member of a group. In the plugin:
    /// [`ChannelLayer::group_send_frame`](crate::ChannelLayer::group_send_frame).
    ///
    /// # Panics
    /// If the name is not valid.
    #[track_caller]
    pub fn group_send_frame(&self, group: &str, frame: impl Into<Frame>) {
        expect(self.backend.borrow_mut().group_send_frame(group, frame.into()));
    }

    /// Advances the clock, in steps of a millisecond. Timers that are due fire in order, each at its own time.
    ///
    /// # Panics
    /// If the plugin sets timers of 0 ms without an end.
    #[track_caller]
    pub fn advance(&self, duration: Duration) {
        expect(self.backend.borrow_mut().advance(duration));
    }

    /// Sets the wall clock without letting time pass. A test begins on 1 January 2026, 00:00 UTC. Under `narrowboat
    /// test`, schedules of workers begin anew.
    ///
    /// # Panics
    /// If the time is before 1970.
    #[track_caller]
    pub fn set_time(&self, time: SystemTime) {
        expect(self.backend.borrow_mut().set_time(time));
    }

    /// Sets the response to the plugin's HTTP requests that match a rule. The argument is a URL or a [`RequestRule`].
    /// The newest rule wins. A request that no rule matches fails.
    #[track_caller]
    pub fn respond(&self, rule: impl Into<RequestRule>, response: FakeResponse) {
        expect(self.backend.borrow_mut().respond(rule.into(), response));
    }

    /// Lets the plugin's HTTP requests that match a rule fail.
    #[track_caller]
    pub fn fail_request(&self, rule: impl Into<RequestRule>, failure: RequestFailure) {
        expect(self.backend.borrow_mut().fail_request(rule.into(), failure));
    }

    /// The HTTP requests that the plugin has sent since the test began, in order.
    #[track_caller]
    pub fn requests(&self) -> Vec<SentRequest> {
        expect(self.backend.borrow_mut().requests())
    }

    /// Deploys the same code again as a new version: the state of all consumers is saved and restored.
    ///
    /// # Errors
    /// The reason why the version was refused. The old one goes on.
    pub fn try_swap(&self) -> Result<SwapReport, String> {
        self.backend.borrow_mut().swap()
    }

    /// Deploys the same code again as a new version: the state of all consumers is saved and restored.
    ///
    /// # Panics
    /// If the version is refused.
    #[track_caller]
    pub fn swap(&self) -> SwapReport {
        expect(self.try_swap())
    }

    /// Deploys a version with consumers of type `C` in `cargo test`. Its workers are those of the old version.
    ///
    /// # Errors
    /// The reason why the version was refused. The old one goes on. Under `narrowboat test` it is always an error; use
    /// [`Host::swap_to_component`] there.
    pub fn swap_to<C: Consumer>(&self) -> Result<SwapReport, String> {
        let mut code = PluginCode::default();
        code.set_consumer::<C>();
        self.backend.borrow_mut().swap_to_code(code)
    }

    /// Deploys a component as a new version under `narrowboat test`. `path` is relative to the folder of the plugin.
    ///
    /// # Errors
    /// The reason why the version was refused. The old one goes on. In `cargo test` it is always an error; use
    /// [`Host::swap_to`] there.
    pub fn swap_to_component(&self, path: &str) -> Result<SwapReport, String> {
        self.backend.borrow_mut().swap_to_component(path)
    }

    /// The lines that the plugin has logged since the test began, in order.
    #[track_caller]
    pub fn logs(&self) -> Vec<LogLine> {
        expect(self.backend.borrow_mut().logs())
    }

    /// The faults of the plugin since the test began, in words: panics, errors that blame the plugin, and calls that the
    /// contract forbids.
    #[track_caller]
    pub fn faults(&self) -> Vec<String> {
        expect(self.backend.borrow_mut().faults())
    }

    /// Sets a key of the plugin's configuration. The plugin reads the new value at its next call. In the plugin:
    /// [`config`](crate::config). The value is the text that the plugin reads: of a list that is its JSON, and of a table
    /// each key has a value of its own, such as `smtp.host`.
    ///
    /// # Panics
    /// If `[plugins.NAME.config]` could not have the key or the value.
    #[track_caller]
    pub fn set_config(&self, key: &str, value: impl Into<String>) {
        self.change_config(key, Some(value.into()));
    }

    /// Removes a key of the plugin's configuration.
    #[track_caller]
    pub fn remove_config(&self, key: &str) {
        self.change_config(key, None);
    }

    #[track_caller]
    fn change_config(&self, key: &str, value: Option<String>) {
        expect(self.backend.borrow_mut().set_config([(key.to_owned(), value)].into()));
    }

    /// Returns a bucket of the plugin's keys and values.
    #[must_use]
    pub fn keyvalue(&self, bucket: &str) -> KeyValueBucket {
        KeyValueBucket::new(&self.backend, bucket)
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Host").field("is_sandboxed", &self.is_sandboxed()).finish()
    }
}
