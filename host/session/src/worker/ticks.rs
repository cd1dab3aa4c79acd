//! What a worker is brought once a period, so that it works without being asked.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{MissedTickBehavior, interval};

use super::Worker;
use narrowboat_channels::LayerError;
use narrowboat_core::message::{Message, MessageError};

/// MessagePack for `{"type": "worker.tick"}`.
const TICK: &[u8] = b"\x81\xa4type\xabworker.tick";

/// Puts a `worker.tick` into the channel each period, for ever. Of several hosts one does.
pub(super) async fn run(worker: Arc<Worker>, every: Duration) {
    let mut ticks = interval(every);
    // Those of a time when nobody could tick are not made good.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Err(error) = tick(&worker, every).await {
            let (plugin, channel) = worker.names();
            tracing::debug!(plugin, channel, "no tick: {error}");
        }
    }
}

async fn tick(worker: &Worker, every: Duration) -> Result<(), LayerError> {
    let (tenant, layer) = (&worker.plugin().tenant, &worker.roster.layer);
    if layer.claim(tenant, &worker.channel, every).await? {
        layer.send(tenant, &worker.channel, message()?).await?;
    }
    Ok(())
}

fn message() -> Result<Message, MessageError> {
    Message::parse(Bytes::from_static(TICK), TICK.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tick_is_a_message() {
        assert_eq!(message().unwrap().kind(), "worker.tick");
    }
}
