//! The run that this host has claimed.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use super::watched_run::LEASE;
use super::{MAX_ATTEMPTS, Scheduler, StartRun};
use crate::run_record::ClaimedRun;
use crate::schedule_store::ScheduleStore;
use crate::scheduled_run::{RunOutcome, RunState, ScheduledRun};

/// The pause between two heartbeats.
const BEAT_PAUSE: Duration = Duration::from_secs(10);

/// The pause after the first failed attempt. Each further one is four times as long.
const FIRST_BACKOFF: Duration = Duration::from_secs(1);

/// The attempts to record the end of a run, a second apart.
const MAX_FINISH_ATTEMPTS: usize = 30;

impl<S: ScheduleStore> Scheduler<S> {
    /// Starts the run that this host has claimed, and repeats it if it fails and the schedule says so.
    pub(super) async fn execute(&mut self, start: &StartRun<'_>, stop: &watch::Receiver<bool>) {
        while let Some(run) = self.own_run() {
            self.status.set_last_run(Some(&run));
            let (nominal, attempt, is_late) = (run.nominal, run.attempt, run.is_late);
            let outcome = self
                .send_heartbeats_during(start(ScheduledRun { nominal, attempt, is_late }))
                .await;
            let repeats = self.config.at_least_once;
            match outcome {
                // Another host takes the run over when this one is gone.
                RunOutcome::NotStarted if repeats => return,
                RunOutcome::NotStarted => return self.record_not_started(nominal).await,
                RunOutcome::Succeeded => {
                    self.status.counters.record_attempt(true);
                    return self.finish(RunState::Succeeded).await;
                }
                RunOutcome::Failed => self.status.counters.record_attempt(false),
            }
            if !repeats {
                return self.finish(RunState::Failed).await;
            }
            if attempt >= MAX_ATTEMPTS {
                self.record_abandoned();
                return self.finish(RunState::Failed).await;
            }
            let backoff = FIRST_BACKOFF * 4_u32.saturating_pow(attempt - 1);
            let mut stop = stop.clone();
            tokio::select! {
                () = self.send_heartbeats_during(sleep(backoff)) => {}
                // Another host takes the run over.
                _ = stop.wait_for(|stop| *stop) => return,
            }
            let is_held = self.update_own_run(|run| {
                run.attempt += 1;
                run.heartbeat += 1;
            });
            if !is_held.await {
                return;
            }
        }
    }

    /// Ends the run that this host has claimed. If the store does not respond, the final state is recorded later.
    pub(super) async fn finish(&mut self, state: RunState) {
        if let Some(run) = self.own_run() {
            let ended = ClaimedRun { state, ..run };
            self.status.set_last_run(Some(&ended));
            self.ended = Some(ended);
        }
        if self.record_end(state).await || !self.config.at_least_once {
            return;
        }
        let (plugin, channel) = self.log_fields();
        tracing::warn!(
            plugin,
            channel,
            "end of a scheduled run not recorded yet, so another host may repeat the run"
        );
    }

    /// Records the end of the run that this host has claimed. Returns whether the store has it, or another run.
    pub(super) async fn record_end(&mut self, state: RunState) -> bool {
        self.update_own_run(|run| run.state = state).await || self.own_run().is_none()
    }

    pub(super) fn record_abandoned(&self) {
        self.status.counters.record_abandoned();
        let (plugin, channel) = self.log_fields();
        tracing::error!(
            plugin,
            channel,
            attempts = MAX_ATTEMPTS,
            "scheduled run given up: all attempts failed"
        );
    }

    async fn record_not_started(&mut self, nominal: i64) {
        self.finish(RunState::Failed).await;
        self.record_missed(nominal - 1, nominal);
    }

    /// The run that this host has claimed and that has not ended.
    fn own_run(&self) -> Option<ClaimedRun> {
        let run = self.record.get()?.run.clone()?;
        (run.owner == self.owner && run.state == RunState::Running).then_some(run)
    }

    /// Waits for a future, and lets other hosts know meanwhile that this one lives.
    async fn send_heartbeats_during<T>(&mut self, future: impl Future<Output = T> + Send) -> T {
        let mut future = Box::pin(future);
        loop {
            tokio::select! {
                result = &mut future => return result,
                () = sleep(BEAT_PAUSE), if self.config.at_least_once => {}
            }
            // Another host may have taken the run over.
            let Some(mut next) = self.record.get().cloned().filter(|_| self.own_run().is_some())
            else {
                continue;
            };
            if let Some(run) = &mut next.run {
                run.heartbeat += 1;
            }
            // Without an answer the next heartbeat tries again.
            tokio::select! {
                result = &mut future => {
                    // The record may have been replaced meanwhile.
                    let _ = self.record.refresh().await;
                    return result;
                }
                replaced = self.record.replace(next) => {
                    if let Err(error) = &replaced {
                        self.record_store_error(error);
                    }
                    if !matches!(replaced, Ok(true)) {
                        let _ = self.record.refresh().await;
                    }
                }
            }
        }
    }

    /// Changes the run that this host has claimed, in the record. Returns `false` if another host has it, or if the store
    /// does not respond.
    async fn update_own_run(&mut self, update: impl Fn(&mut ClaimedRun)) -> bool {
        let began_at = Instant::now();
        for attempt in 1..=MAX_FINISH_ATTEMPTS {
            let Some(mut next) = self.record.get().cloned().filter(|_| self.own_run().is_some())
            else {
                return false;
            };
            if let Some(run) = &mut next.run {
                update(run);
            }
            match self.record.replace(next).await {
                Ok(true) => return true,
                Ok(false) => {}
                Err(error) => self.record_store_error(&error),
            }
            // A host whose lease is over must not hold up its other runs.
            if !self.config.at_least_once && attempt >= 2 || began_at.elapsed() > LEASE {
                return false;
            }
            if let Err(error) = self.record.refresh().await {
                self.record_store_error(&error);
                sleep_until(Instant::now() + Duration::from_secs(1)).await;
            }
        }
        false
    }
}
