//! What a worker is brought once a period, so that it works without being asked.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{MissedTickBehavior, interval};

use super::Worker;
use narrowboat_channels::LayerError;
use narrowboat_core::message::{Message, MessageError};

/// MessagePack for `{"type": "worker.tick"}`.
const TICK_MESSAGE: &[u8] = b"\x81\xa4type\xabworker.tick";

/// Puts a `worker.tick` into the channel each period, for ever. Of several hosts one does.
pub(super) async fn send_ticks(worker: Arc<Worker>, every: Duration) {
    let mut ticks = interval(every);
    // Those of a time when nobody could tick are not made good.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Err(error) = send_tick(&worker, every).await {
            let (plugin, channel) = worker.log_fields();
            tracing::debug!(plugin, channel, "no tick: {error}");
        }
    }
}

async fn send_tick(worker: &Worker, every: Duration) -> Result<(), LayerError> {
    let (tenant, layer) = (&worker.plugin().tenant, &worker.registry.layer);
    if layer.try_acquire_lease(tenant, &worker.channel, every).await? {
        layer.send(tenant, &worker.channel, tick_message()?).await?;
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
    fn a_tick_is_a_message() {
        assert_eq!(tick_message().unwrap().message_type(), "worker.tick");
    }
}
