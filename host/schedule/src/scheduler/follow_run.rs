//! The run that the record names: of another host, which may die, or of this one.

use narrowboat_keyvalue::KeyvalueError;
use tokio::sync::watch;

use super::watched_run::WatchedRun;
use super::{MAX_ATTEMPTS, START_WINDOW, Scheduler, StartRun};
use crate::run_record::ClaimedRun;
use crate::schedule_store::ScheduleStore;
use crate::scheduled_run::RunState;

impl<S: ScheduleStore> Scheduler<S> {
    /// Handles a run in the record that has not ended: takes it over if its host has died, or starts it if this host has
    /// claimed it and the store's answer was lost. Returns whether the schedule has to wait for the run.
    pub(super) async fn follow_claimed_run(
        &mut self,
        start: &StartRun<'_>,
        stop: &watch::Receiver<bool>,
    ) -> Result<bool, KeyvalueError> {
        let run = self.record.get().and_then(|record| record.run.clone());
        let Some(run) = run.filter(|run| run.state == RunState::Running) else {
            self.watched = None;
            return Ok(false);
        };
        if run.owner == self.owner {
            self.watched = None;
            self.follow_own_run(&run, start, stop).await?;
            return Ok(false);
        }
        let is_known = self.watched.as_ref().is_some_and(|watched| watched.is_at(&run));
        if !is_known {
            self.watched = Some(WatchedRun::new(run));
            return Ok(self.config.at_least_once);
        }
        let is_dead = self.watched.as_ref().is_some_and(WatchedRun::has_died);
        if is_dead && self.config.at_least_once {
            self.watched = None;
            self.take_over(run, start, stop).await?;
            return Ok(false);
        }
        // Without repeats no run waits for another, and the end of a run whose host has died stays unknown.
        Ok(self.config.at_least_once)
    }

    /// Whether the run of another host may still change.
    pub(super) fn watches_run(&self) -> bool {
        let may_change = |watched: &WatchedRun| self.config.at_least_once || !watched.has_died();
        self.watched.as_ref().is_some_and(may_change)
    }

    /// Records the end of a run of this host if the store does not have it yet, or starts a run whose claim the store has
    /// taken without an answer.
    async fn follow_own_run(
        &mut self,
        run: &ClaimedRun,
        start: &StartRun<'_>,
        stop: &watch::Receiver<bool>,
    ) -> Result<(), KeyvalueError> {
        let same = |ended: &&ClaimedRun| ended.is_same_attempt(run);
        let Some(state) = self.ended.as_ref().filter(same).map(|ended| ended.state) else {
            self.resume_own_run(run, start, stop).await;
            return Ok(());
        };
        match self.record_end(state).await {
            true => Ok(()),
            false => Err(KeyvalueError::Unavailable("the end of a run is not recorded".to_owned())),
        }
    }

    /// Starts a run whose claim the store has taken without an answer, unless it is too late.
    async fn resume_own_run(
        &mut self,
        run: &ClaimedRun,
        start: &StartRun<'_>,
        stop: &watch::Receiver<bool>,
    ) {
        let is_in_time = self.clock.now_seconds() - run.nominal < START_WINDOW;
        if is_in_time || run.is_late || self.config.at_least_once {
            Box::pin(self.execute(start, stop)).await;
        } else {
            self.finish(RunState::Failed).await;
            self.record_missed(run.nominal - 1, run.nominal);
        }
    }

    /// Claims the run of a host that has died.
    async fn take_over(
        &mut self,
        run: ClaimedRun,
        start: &StartRun<'_>,
        stop: &watch::Receiver<bool>,
    ) -> Result<(), KeyvalueError> {
        let Some(mut next) = self.record.get().cloned() else { return Ok(()) };
        let is_last = run.attempt >= MAX_ATTEMPTS;
        let (plugin, channel) = self.log_fields();
        let (plugin, channel) = (plugin, channel.to_owned());
        let nominal = self.config.schedule.format_time(run.nominal);
        let (attempt, heartbeat) = (run.attempt, run.heartbeat + 1);
        let claimed = match is_last {
            true => ClaimedRun { owner: self.owner, state: RunState::Failed, ..run },
            false => ClaimedRun { owner: self.owner, attempt: attempt + 1, heartbeat, ..run },
        };
        next.run = Some(claimed);
        if !self.record.replace(next).await? {
            return Ok(());
        }
        tracing::warn!(plugin, channel, nominal, attempt, "host of a scheduled run has died");
        if is_last {
            self.record_abandoned();
        } else {
            Box::pin(self.execute(start, stop)).await;
        }
        Ok(())
    }
}
