//! The ticks of a worker: messages that the host itself sends at an interval.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{MissedTickBehavior, interval};

use super::worker_channel::WorkerChannel;
use narrowboat_channels::LayerError;
use narrowboat_core::message::{Message, MessageError};

/// MessagePack for `{"type": "worker.tick"}`.
const TICK_MESSAGE: &[u8] = b"\x81\xa4type\xabworker.tick";

/// Sends a `worker.tick` to the channel each period, until the future is dropped. Of several hosts with one layer one
/// does.
pub(super) async fn send_ticks(channel: Arc<WorkerChannel>, period: Duration) {
    let mut ticks = interval(period);
    // Ticks that were missed are not sent later.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Err(error) = send_tick(&channel, period).await {
            let (plugin, channel) = channel.log_fields();
            tracing::debug!(plugin, channel, %error, "cannot send a tick");
        }
    }
}

async fn send_tick(channel: &WorkerChannel, period: Duration) -> Result<(), LayerError> {
    let (tenant, layer) = (&channel.plugin().tenant, &channel.registry.layer);
    if layer.try_acquire_lease(tenant, &channel.name, period).await? {
        layer.send(tenant, &channel.name, tick_message()?).await?;
    }
    Ok(())
}

fn tick_message() -> Result<Message, MessageError> {
    Message::parse(Bytes::from_static(TICK_MESSAGE), TICK_MESSAGE.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tick_is_a_valid_message() {
        assert_eq!(tick_message().unwrap().message_type(), "worker.tick");
    }
}
