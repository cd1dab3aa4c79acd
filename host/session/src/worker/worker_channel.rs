//! The channel of a worker.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::instance_registry::InstanceRegistry;
use narrowboat_channels::Mailbox;
use narrowboat_core::name::ChannelName;
use narrowboat_runtime::Plugin;

/// The pause before another attempt to open a channel.
const REOPEN_DELAY: Duration = Duration::from_secs(1);

/// A named channel, and the plugin that handles its messages.
pub(super) struct WorkerChannel {
    pub(super) registry: Arc<InstanceRegistry>,
    pub(super) name: ChannelName,
}

impl WorkerChannel {
    /// Opens the channel, and tries again until that succeeds. Returns `None` if `stop` becomes true before.
    pub(super) async fn open(&self, mut stop: watch::Receiver<bool>) -> Option<Mailbox> {
        let mut has_warned = false;
        loop {
            match self.registry.layer.open_channel(&self.plugin().tenant, &self.name).await {
                Ok(mailbox) => return Some(mailbox),
                Err(error) if !has_warned => {
                    has_warned = true;
                    let (plugin, channel) = self.log_fields();
                    tracing::warn!(
                        plugin,
                        channel,
                        %error,
                        "the worker cannot open its channel; it retries each second"
                    );
                }
                Err(_) => {}
            }
            tokio::select! {
                () = tokio::time::sleep(REOPEN_DELAY) => {}
                _ = stop.wait_for(|stop| *stop) => return None,
            }
        }
    }

    pub(super) fn plugin(&self) -> &Plugin {
        &self.registry.plugin
    }

    /// The values of the log fields `plugin` and `channel`.
    pub(super) fn log_fields(&self) -> (&str, &str) {
        (&self.plugin().label, self.name.as_str())
    }
}
