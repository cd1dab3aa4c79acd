//! The task that starts the runs of a schedule.

mod claimed_run;
mod follow_run;
mod watched_run;

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use narrowboat_config::CronConfig;
use narrowboat_core::outage_log::OutageLog;
use narrowboat_keyvalue::KeyvalueError;
use tokio::sync::watch;

use crate::run_record::{ClaimedRun, RunRecord};
use crate::schedule_identity::ScheduleIdentity;
use crate::schedule_status::ScheduleStatus;
use crate::schedule_store::ScheduleStore;
use crate::scheduled_run::{RunOutcome, RunState, ScheduledRun};
use crate::shared_record::SharedRecord;
use crate::wall_clock::WallClock;
use watched_run::WatchedRun;

/// The time in seconds after the nominal time within which a run may still start, unless the next one is due. Longer
/// than most failures of a store, the restart of a host, and the skew between the clocks of hosts.
pub const START_WINDOW: i64 = 300;

/// The most attempts of one run with `at_least_once`.
pub const MAX_ATTEMPTS: u32 = 5;

/// The longest sleep, so that a wall clock that was put forward is noticed.
const MAX_PAUSE: Duration = Duration::from_secs(30);

/// The pause before the store is asked again after an error.
const STORE_RETRY_PAUSE: Duration = Duration::from_secs(1);

/// The attempts to replace the record in one step. Each attempt fails if another host replaces the record first.
const MAX_RACES: usize = 10;

/// The largest number of runs that one reading of the clock counts as missed.
const MAX_MISSED: usize = 1000;

/// The least time for which the record of a schedule that no host has any more is kept.
const MIN_RECORD_SECONDS: i64 = 60 * 86_400;

/// Starts a run, and returns its outcome when it has ended.
pub type StartRun<'a> =
    dyn Fn(ScheduledRun) -> Pin<Box<dyn Future<Output = RunOutcome> + Send + 'a>> + Sync + 'a;

/// Starts the runs of one schedule on this host. It claims each run in the store first.
pub struct Scheduler<S> {
    config: CronConfig,
    identity: ScheduleIdentity,
    clock: WallClock,
    record: SharedRecord<S>,
    status: Arc<ScheduleStatus>,
    /// A random number, by which the scheduler knows its own claims.
    owner: u64,
    /// The Unix time in seconds at which the scheduler began. A schedule without a record starts no earlier run.
    began_at: i64,
    watched: Option<WatchedRun>,
    /// The last run of this host that has ended, in its final state. The store may not have this state yet.
    ended: Option<ClaimedRun>,
    store_log: OutageLog,
}

impl<S: ScheduleStore> Scheduler<S> {
    /// A scheduler that begins now.
    pub fn new(
        config: CronConfig,
        identity: ScheduleIdentity,
        clock: WallClock,
        store: Arc<S>,
        status: Arc<ScheduleStatus>,
    ) -> Self {
        let record = SharedRecord::new(store, identity.key(&config.schedule, 0));
        Self {
            began_at: clock.now_seconds(),
            config,
            identity,
            clock,
            record,
            status,
            owner: rand::random(),
            watched: None,
            ended: None,
            store_log: OutageLog::default(),
        }
    }

    /// Starts runs with `start` until `stop` is true, one at a time. A run that has started is awaited.
    pub async fn run(mut self, start: &StartRun<'_>, mut stop: watch::Receiver<bool>) {
        let mut clock_changes = self.clock.subscribe();
        while !*stop.borrow() {
            let pause = Box::pin(self.step(start, &stop)).await;
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                generation = next_change(&mut clock_changes) => self.begin_anew(generation),
                _ = stop.wait_for(|stop| *stop) => {}
            }
        }
    }

    /// Forgets all runs, because a test has set the clock.
    fn begin_anew(&mut self, generation: u64) {
        let key = self.identity.key(&self.config.schedule, generation);
        self.record = self.record.with_key(key);
        self.began_at = self.clock.now_seconds();
        self.watched = None;
    }

    /// Does what is due, and returns the time until the next step.
    async fn step(&mut self, start: &StartRun<'_>, stop: &watch::Receiver<bool>) -> Duration {
        match self.try_step(start, stop).await {
            Ok(pause) => {
                self.record_store_answer();
                pause
            }
            Err(error) => {
                self.record_store_error(&error);
                STORE_RETRY_PAUSE
            }
        }
    }

    async fn try_step(
        &mut self,
        start: &StartRun<'_>,
        stop: &watch::Receiver<bool>,
    ) -> Result<Duration, KeyvalueError> {
        for _ in 0..MAX_RACES {
            if self.watches_run() || self.unsettled_time().is_some() || !self.record.is_read() {
                self.record.refresh().await?;
            }
            let Some(record) = self.current_record() else {
                let text = self.identity.describe(&self.config.schedule);
                let began_at = self.began_at.min(self.clock.now_seconds());
                if self.record.replace(RunRecord::new(text, began_at)).await? {
                    self.keep_record().await;
                }
                continue;
            };
            self.show_last_run(record.run.as_ref());
            let is_blocked = Box::pin(self.follow_claimed_run(start, stop)).await?;
            let nominal = self.unsettled_time().filter(|_| !is_blocked);
            let Some(nominal) = nominal else { break };
            Box::pin(self.settle(nominal, start, stop)).await?;
        }
        Ok(self.pause())
    }

    /// The record; `None` if the store has none, or if the record has to be replaced because a host whose clock is ahead has
    /// begun it in the future.
    fn current_record(&self) -> Option<&RunRecord> {
        let latest = self.clock.now_seconds().saturating_add(START_WINDOW);
        let record = self.record.get()?;
        if record.begins_after(latest) {
            let (plugin, channel) = self.log_fields();
            tracing::warn!(
                plugin,
                channel,
                "schedule begins anew: a host whose clock is ahead has begun it in the future"
            );
            return None;
        }
        Some(record)
    }

    /// The latest time that is due, unless it is settled as far as this host knows.
    fn unsettled_time(&self) -> Option<i64> {
        let now = self.clock.now_seconds();
        let record = self.record.get();
        // A run that is due now may be settled already, so the search includes the current second.
        let settled = record.map_or(self.began_at, |record| record.settled_before(now + 1));
        self.config.schedule.latest_between(settled, now)
    }

    /// Shows the last run in the status, in its final state if only this host knows that state.
    fn show_last_run(&self, run: Option<&ClaimedRun>) {
        let same = |ended: &&ClaimedRun| run.is_some_and(|run| run.is_same_attempt(ended));
        self.status.set_last_run(self.ended.as_ref().filter(same).or(run));
    }

    /// Claims and starts the run of a time, or records it as missed. Does neither if another host is faster.
    async fn settle(
        &mut self,
        nominal: i64,
        start: &StartRun<'_>,
        stop: &watch::Receiver<bool>,
    ) -> Result<(), KeyvalueError> {
        let Some(mut next) = self.record.get().cloned() else { return Ok(()) };
        let earlier = next.settled_before(nominal);
        next.settle(nominal);
        let is_late = self.clock.now_seconds() - nominal >= START_WINDOW;
        let starts = !is_late || self.config.catch_up;
        // The run of `nominal` is missed unless it starts.
        let missed_until = if starts { nominal - 1 } else { nominal };
        if starts {
            let state = RunState::Running;
            let (owner, attempt, heartbeat) = (self.owner, 1, 0);
            next.run = Some(ClaimedRun { nominal, owner, attempt, heartbeat, state, is_late });
        }
        if !self.record.replace(next).await? {
            return Ok(());
        }
        self.record_missed(earlier, missed_until);
        if starts {
            Box::pin(self.execute(start, stop)).await;
        }
        self.keep_record().await;
        Ok(())
    }

    /// Counts and logs the runs after `after` and until `until`, which were missed.
    fn record_missed(&self, after: i64, until: i64) {
        let schedule = &self.config.schedule;
        let count = schedule.count_between(after, until + 1, MAX_MISSED);
        let (Some(first), Some(last)) =
            (schedule.next_after(after), schedule.latest_between(after, until))
        else {
            return;
        };
        self.status.counters.record_missed(count);
        let (plugin, channel) = self.log_fields();
        let (first, last) = (schedule.format_time(first), schedule.format_time(last));
        tracing::warn!(
            plugin,
            channel,
            missed = count,
            first,
            last,
            "scheduled runs missed: no host could start them in time"
        );
    }

    /// Keeps the record for longer than the time until the next run.
    async fn keep_record(&self) {
        let now = self.clock.now_seconds();
        let until_next = self.config.schedule.next_after(now).map_or(0, |next| next - now);
        let seconds = MIN_RECORD_SECONDS.saturating_add(until_next.saturating_mul(2));
        self.record.keep_for(Duration::from_secs(seconds.unsigned_abs())).await;
    }

    /// The time until something may be due.
    fn pause(&self) -> Duration {
        let now = self.clock.now();
        let next = self.config.schedule.next_after(self.clock.now_seconds());
        let until_next = next
            .and_then(|next| u64::try_from(next).ok())
            .map_or(MAX_PAUSE, |next| Duration::from_secs(next).saturating_sub(now));
        let longest = if self.watches_run() { watched_run::POLL_PAUSE } else { MAX_PAUSE };
        until_next.min(longest)
    }

    fn record_store_answer(&mut self) {
        if self.store_log.record_success() {
            let (plugin, channel) = self.log_fields();
            tracing::info!(plugin, channel, "schedule runs again: the key-value store responds");
        }
    }

    fn record_store_error(&mut self, error: &KeyvalueError) {
        self.status.counters.record_store_error();
        if self.store_log.record_failure(Instant::now()) {
            let (plugin, channel) = self.log_fields();
            tracing::warn!(
                plugin,
                channel,
                %error,
                start_window_seconds = START_WINDOW,
                "schedule cannot claim its runs; a run starts if the store responds within the start window"
            );
        }
    }

    /// The values of the log fields `plugin` and `channel`.
    fn log_fields(&self) -> (String, &str) {
        let label = self.identity.tenant.plugin_label(&self.identity.plugin);
        (label, self.identity.channel.as_str())
    }
}

/// Waits for the next change of a simulated clock, for ever if there is none.
async fn next_change(changes: &mut Option<watch::Receiver<u64>>) -> u64 {
    if let Some(changes) = changes
        && changes.changed().await.is_ok()
    {
        return *changes.borrow_and_update();
    }
    std::future::pending().await
}
