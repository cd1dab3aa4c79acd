//! The runs of a worker's schedule: messages that the host itself makes at times of day.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use tokio::sync::{mpsc, oneshot, watch};

use super::run_request::RunRequest;
use super::worker_channel::WorkerChannel;
use narrowboat_config::{CronConfig, CronSchedule};
use narrowboat_core::message::{Message, MessageError};
use narrowboat_schedule::{
    RunOutcome, ScheduleIdentity, ScheduleServices, ScheduleStatus, ScheduledRun, Scheduler,
};

/// The schedule of a worker, and the way to the worker's pool. Runs do not go through the channel: a run has to reach the
/// worker although the channel is full, and the schedule has to learn how it ended.
pub(super) struct CronRuns {
    pub(super) channel: Arc<WorkerChannel>,
    pub(super) cron: CronConfig,
    pub(super) requests: mpsc::Sender<RunRequest>,
}

impl CronRuns {
    /// Claims and starts runs until `stop` is true.
    pub(super) async fn start(
        self,
        services: ScheduleServices,
        status: Arc<ScheduleStatus>,
        stop: watch::Receiver<bool>,
    ) {
        let plugin = self.channel.plugin();
        let identity = ScheduleIdentity {
            tenant: plugin.tenant.clone(),
            plugin: plugin.name.to_string(),
            channel: self.channel.name.clone(),
        };
        let ScheduleServices { store, clock } = services;
        let scheduler = Scheduler::new(self.cron.clone(), identity, clock, store, status);
        Box::pin(scheduler.run(&|run| Box::pin(self.run_worker(run)), stop)).await;
    }

    /// Hands a run to the worker, and waits for its end.
    async fn run_worker(&self, run: ScheduledRun) -> RunOutcome {
        let Ok(message) = cron_message(&self.cron.schedule, &run) else {
            return RunOutcome::Failed;
        };
        let (outcome, ended) = oneshot::channel();
        if self.requests.send(RunRequest { message, outcome }).await.is_err() {
            return RunOutcome::NotStarted;
        }
        ended.await.unwrap_or(RunOutcome::NotStarted)
    }
}

/// The message of a run.
fn cron_message(schedule: &CronSchedule, run: &ScheduledRun) -> Result<Message, MessageError> {
    let fields = [
        ("type", json!("worker.cron")),
        ("time", json!(schedule.format_time(run.nominal))),
        ("timestamp", json!(run.nominal)),
        ("timezone", json!(schedule.zone_name())),
        ("attempt", json!(run.attempt)),
        ("late", json!(run.is_late)),
    ];
    let object: Map<String, Value> =
        fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    Message::from_json(&object)
}

#[cfg(test)]
mod tests {
    use super::*;
    use narrowboat_config::CronZone;

    #[test]
    fn the_message_of_a_run_has_its_type() {
        let schedule = CronSchedule::parse("0 8 * * *", CronZone::default()).unwrap();
        let run = ScheduledRun { nominal: 1_767_254_400, attempt: 1, is_late: false };
        assert_eq!(cron_message(&schedule, &run).unwrap().message_type(), "worker.cron");
    }
}
