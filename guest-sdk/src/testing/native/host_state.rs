use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, SystemTime};

use super::{
    effect::Effect,
    fake_http::FakeHttp,
    key_value_store::KeyValueStore,
    native_connection::{ConnectionId, NativeConnection},
    native_room::NativeRoom,
};
use crate::testing::LogLine;

/// The date and time at which a test begins, as under `narrowboat test`: 1 January 2026, 00:00 UTC, since the Unix epoch.
const TEST_START: Duration = Duration::from_secs(1_767_225_600);

/// The part of the host that the plugin reaches during a call.
#[derive(Debug)]
pub(crate) struct HostState {
    /// The date and time at which the host was created.
    pub(crate) started: SystemTime,
    /// The time by which the test has advanced the clock.
    pub(crate) elapsed: Duration,
    pub(crate) connections: BTreeMap<ConnectionId, NativeConnection>,
    /// The rooms by name.
    pub(crate) rooms: BTreeMap<String, NativeRoom>,
    /// Whether the running call restores the state of another version.
    pub(crate) is_restoring: bool,
    /// The effects of the running call.
    pub(crate) effects: Vec<Effect>,
    keyvalue: KeyValueStore,
    /// The plugin's configuration.
    pub(crate) config: BTreeMap<String, String>,
    pub(crate) http: FakeHttp,
    pub(crate) logs: Vec<LogLine>,
    /// Why the running call can write nothing and send no request.
    pub(crate) suppressed: Option<SuppressReason>,
}

/// Why a call has no effects beyond the instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SuppressReason {
    /// The plugin saves its state.
    Saving,
    /// The version is on trial.
    Trial,
}

impl HostState {
    pub(super) fn new() -> Self {
        Self {
            started: SystemTime::UNIX_EPOCH + TEST_START,
            elapsed: Duration::ZERO,
            connections: BTreeMap::new(),
            rooms: BTreeMap::new(),
            is_restoring: false,
            effects: Vec::new(),
            keyvalue: KeyValueStore::default(),
            config: BTreeMap::new(),
            http: FakeHttp::default(),
            logs: Vec::new(),
            suppressed: None,
        }
    }

    /// The keys and values, without those whose time has passed.
    pub(crate) fn keyvalue(&mut self) -> &mut KeyValueStore {
        self.keyvalue.advance_to(self.elapsed);
        &mut self.keyvalue
    }
}

impl fmt::Display for SuppressReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Saving => "while the plugin saves its state",
            Self::Trial => "while a version is on trial",
        })
    }
}
