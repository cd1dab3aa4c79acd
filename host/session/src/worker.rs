//! Workers: consumers of a named channel without a connection, as Channels' `runworker` runs them.

mod cron_runs;
mod failure_log;
mod run_request;
mod ticks;
mod worker_channel;
mod worker_pool;
mod worker_slot;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::instance_registry::InstanceRegistry;
use cron_runs::CronRuns;
use narrowboat_config::{CronConfig, WorkerConfig};
use narrowboat_core::units::DurationSetting;
use narrowboat_schedule::{ScheduleServices, ScheduleStatus};
use worker_channel::WorkerChannel;
use worker_pool::WorkerPool;

/// A channel that is bound to a plugin.
pub struct Worker {
    channel: Arc<WorkerChannel>,
    instance_count: usize,
    tick_interval: Option<Duration>,
    cron: Option<CronConfig>,
    schedules: ScheduleServices,
    schedule_status: Arc<ScheduleStatus>,
}

impl Worker {
    /// Binds a channel to the registry's plugin. The worker updates `schedule_status` if it has a schedule.
    pub fn new(
        registry: Arc<InstanceRegistry>,
        config: WorkerConfig,
        schedules: ScheduleServices,
        schedule_status: Arc<ScheduleStatus>,
    ) -> Self {
        let WorkerConfig { channel, instances, tick_interval, cron, plugin: _ } = config;
        Self {
            channel: Arc::new(WorkerChannel { registry, name: channel }),
            instance_count: instances,
            tick_interval: tick_interval.map(DurationSetting::duration),
            cron,
            schedules,
            schedule_status,
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
        let (requests, runs) = mpsc::channel(1);
        // Dropping the set ends the schedule.
        let mut schedule = JoinSet::new();
        if let Some(cron) = self.cron.clone() {
            let runs = CronRuns { channel: Arc::clone(&self.channel), cron, requests };
            let (services, status) = (self.schedules.clone(), Arc::clone(&self.schedule_status));
            schedule.spawn(runs.start(services, status, stop.clone()));
        }
        let (channel, slots) = (Arc::clone(&self.channel), self.instance_count);
        let mut pool = WorkerPool::new(channel, slots, runs, stop);
        pool.run(mailbox).await;
        drop(ticks);
        pool.drain().await;
        // The schedule records the end of its run.
        while schedule.join_next().await.is_some() {}
    }
}
