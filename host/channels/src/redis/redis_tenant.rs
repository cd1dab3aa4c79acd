//! One tenant of the layer over Redis.

use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::task::AbortHandle;

use super::named_channel_reader::NamedChannelReader;
use crate::process_channels::ProcessChannels;
use crate::redis_common::RedisKeys;
use narrowboat_core::name::Tenant;

/// One tenant's channels and the readers of its keys.
pub(super) struct RedisTenant {
    pub(super) name: Tenant,
    pub(super) keys: RedisKeys,
    pub(super) local: Arc<ProcessChannels>,
    /// Whether tasks read the process's own key.
    pub(super) is_own_key_read: AtomicBool,
    /// Readers of keys other than the process's own, by the prefix of their channels. The reader of a named channel
    /// stays here when the channel is closed, for the next reader to follow it. A host opens as many of these as are
    /// configured.
    readers: Mutex<HashMap<String, KeyReader>>,
}

/// The reader of a key.
pub(super) enum KeyReader {
    /// The reader of a named channel.
    Named(Arc<NamedChannelReader>),
    /// The reader of channels whose names have a `!` and this prefix, and the number of such channels that are open.
    Shared(AbortHandle, usize),
}

impl RedisTenant {
    pub(super) fn new(name: Tenant, keys: RedisKeys, local: Arc<ProcessChannels>) -> Self {
        let is_own_key_read = AtomicBool::new(false);
        Self { name, keys, local, is_own_key_read, readers: Mutex::default() }
    }

    pub(super) fn lock_readers(&self) -> MutexGuard<'_, HashMap<String, KeyReader>> {
        self.readers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
