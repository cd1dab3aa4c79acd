//! The parts of the demo page's editor that outlive reloads.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;

use super::editor_guard::EditorGuard;
use super::original_texts::OriginalTexts;
use crate::host_mode::HostMode;
use crate::log_buffer::LogBuffer;
use narrowboat_config::{Config, ListenAddress};

/// The part of `handshake_timeout` that a save waits for its outcome. The rest is for the request and the response.
const OUTCOME_SHARE: f64 = 0.75;

/// The parts of the demo page's editor that outlive reloads.
pub(crate) struct EditorResources {
    pub(super) guard: EditorGuard,
    pub(super) originals: OriginalTexts,
    pub(super) log_buffer: LogBuffer,
    /// A save holds it from the check of the digest until its version is in the queue. Two saves at a time would both
    /// find the text that they have read.
    pub(super) save_lock: Arc<Mutex<()>>,
    /// How long a save waits for its outcome.
    pub(super) outcome_timeout: Duration,
}

impl EditorResources {
    /// The editor of a host that starts. `None` if the host has none: only `narrowboat dev` has one, on a loopback
    /// address, without a proxy in front of it and without required signatures, which a text from a page cannot have.
    pub(crate) fn new(config: &Config, mode: &HostMode) -> Option<Self> {
        let HostMode::Dev { log_buffer, .. } = mode else { return None };
        let ListenAddress::Address(address) = config.listen else { return None };
        let is_private =
            address.ip().is_loopback() && config.proxy.is_none() && config.signatures.is_none();
        (config.demo && is_private).then(|| Self {
            guard: EditorGuard::default(),
            originals: OriginalTexts::default(),
            log_buffer: log_buffer.clone(),
            save_lock: Arc::default(),
            outcome_timeout: config.limits.handshake_timeout.duration().mul_f64(OUTCOME_SHARE),
        })
    }
}
