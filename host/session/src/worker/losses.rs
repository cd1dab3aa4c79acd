//! What is said of messages that a worker failed at.

use std::time::Duration;

use tokio::time::Instant;

use narrowboat_core::fault::{GuestFault, one_line};
use narrowboat_core::message::Message;
use narrowboat_runtime::Hash;

/// Failures are told one by one, unless they come faster than this.
const BETWEEN: Duration = Duration::from_millis(100);

/// A message that a worker failed at.
pub(super) struct Lost {
    pub(super) fault: GuestFault,
    pub(super) message: Message,
    /// The version that failed.
    pub(super) version: Hash,
}

/// Keeps a worker that fails at everything from filling the log.
#[derive(Default)]
pub(super) struct Losses {
    told: Option<Instant>,
    untold: u64,
}

impl Losses {
    /// Tells of a message, or that there were others.
    pub(super) fn tell(&mut self, plugin: &str, channel: &str, lost: &Lost) {
        let now = Instant::now();
        if self.told.is_some_and(|told| now - told < BETWEEN) {
            self.untold += 1;
            return;
        }
        self.told = Some(now);
        let others = match std::mem::take(&mut self.untold) {
            0 => String::new(),
            count => format!("; and {count} others before it"),
        };
        let kind = one_line(lost.message.kind());
        let version = lost.version.short();
        tracing::warn!(
            plugin,
            channel,
            version,
            "the worker lost a {kind:?}: {}{others}",
            lost.fault
        );
    }
}
