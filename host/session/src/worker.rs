//! Workers: consumers of a named channel without a connection, as Channels' `runworker` runs them.

mod failure_log;
mod ticks;
mod worker_channel;
mod worker_pool;
mod worker_slot;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::instance_registry::InstanceRegistry;
use narrowboat_config::WorkerConfig;
use narrowboat_core::units::DurationSetting;
use worker_channel::WorkerChannel;
use worker_pool::WorkerPool;

/// A channel that is bound to a plugin.
pub struct Worker {
    channel: Arc<WorkerChannel>,
    instance_count: usize,
    tick_interval: Option<Duration>,
}

impl Worker {
    /// Binds a channel to the registry's plugin.
    pub fn new(registry: Arc<InstanceRegistry>, config: WorkerConfig) -> Self {
        let WorkerConfig { channel, instances, tick_interval, plugin: _ } = config;
        Self {
            channel: Arc::new(WorkerChannel { registry, name: channel }),
            instance_count: instances,
            tick_interval: tick_interval.map(DurationSetting::duration),
        }
    }

    /// Takes messages until `stop` is true, and then waits until those that were taken are handled. Dropping the future
    /// before that loses the messages and their effects.
    pub async fn run(self: Arc<Self>, stop: watch::Receiver<bool>) {
        let Some(mailbox) = self.channel.open(stop.clone()).await else { return };
        // Dropping the set ends the ticks.
        let mut ticks = JoinSet::new();
        if let Some(period) = self.tick_interval {
            ticks.spawn(ticks::send_ticks(Arc::clone(&self.channel), period));
        }
        let mut pool = WorkerPool::new(Arc::clone(&self.channel), self.instance_count, stop);
        pool.run(mailbox).await;
        drop(ticks);
        pool.drain().await;
    }
}
