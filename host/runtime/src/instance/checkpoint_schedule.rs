//! The checkpoints of an instance: when they are made, and the last one.

use tokio::time::Instant;

use super::instance_snapshot::InstanceSnapshot;
use narrowboat_core::fault::GuestFault;
use narrowboat_core::manifest::CheckpointRule;

/// The checkpoints of an instance whose consumers survive a trap.
pub(super) struct CheckpointSchedule {
    rule: CheckpointRule,
    last: Option<InstanceSnapshot>,
    /// Events of the instance, and the time, when a checkpoint was attempted last.
    attempted: Option<(u64, Instant)>,
    /// Attempts that have failed since the last checkpoint.
    failures: u64,
}

impl CheckpointSchedule {
    pub(super) fn new(rule: CheckpointRule) -> Self {
        Self { rule, last: None, attempted: None, failures: 0 }
    }

    /// Whether a checkpoint is due before the next event, after `event_count` events.
    pub(super) fn is_due(&self, event_count: u64) -> bool {
        let Some((events, at)) = self.attempted else { return true };
        events != event_count
            && match self.rule {
                CheckpointRule::Events(count) => event_count - events >= count.into(),
                CheckpointRule::Interval(interval) => at.elapsed() >= interval,
            }
    }

    /// The number of events that may follow in one call, after `event_count` events.
    pub(super) fn events_left(&self, event_count: u64) -> usize {
        let events = self.attempted.map_or(event_count, |(events, _)| events);
        match self.rule {
            CheckpointRule::Events(count) => {
                let left = u64::from(count).saturating_sub(event_count - events).max(1);
                usize::try_from(left).unwrap_or(usize::MAX)
            }
            CheckpointRule::Interval(_) => usize::MAX,
        }
    }

    /// Records an attempt. One that failed leaves the last checkpoint. Returns the fault of the attempt.
    pub(super) fn record(
        &mut self,
        event_count: u64,
        made: Result<InstanceSnapshot, GuestFault>,
    ) -> Option<GuestFault> {
        self.attempted = Some((event_count, Instant::now()));
        match made {
            Ok(made) => {
                (self.last, self.failures) = (Some(made), 0);
                None
            }
            Err(fault) => {
                self.failures += 1;
                Some(fault)
            }
        }
    }

    /// Whether the last attempt was the first that has failed since the last checkpoint.
    pub(super) fn is_first_failure(&self) -> bool {
        self.failures == 1
    }

    /// Takes the last checkpoint.
    pub(super) fn take(self) -> Option<InstanceSnapshot> {
        self.last
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_first_checkpoint_is_before_the_first_event() {
        let schedule = CheckpointSchedule::new(CheckpointRule::Events(10));
        assert!(schedule.is_due(0) && schedule.is_due(7));
    }

    #[test]
    fn checkpoints_by_events_leave_no_more_events_to_lose() {
        let mut schedule = CheckpointSchedule::new(CheckpointRule::Events(3));
        schedule.record(5, Err(GuestFault::InstanceLost));
        assert_eq!([5, 6, 7, 8].map(|count| schedule.is_due(count)), [false, false, false, true]);
        assert_eq!([5, 6, 7].map(|count| schedule.events_left(count)), [3, 2, 1]);
    }

    #[test]
    fn only_the_first_of_several_failures_is_reported() {
        let mut schedule = CheckpointSchedule::new(CheckpointRule::Events(1));
        let fail = |schedule: &mut CheckpointSchedule| {
            schedule.record(0, Err(GuestFault::InstanceLost));
            schedule.is_first_failure()
        };
        assert!(fail(&mut schedule));
        assert!(!fail(&mut schedule));
    }

    #[test]
    fn without_events_no_checkpoint_is_made() {
        let mut schedule = CheckpointSchedule::new(CheckpointRule::Interval(Duration::ZERO));
        schedule.record(5, Err(GuestFault::InstanceLost));
        assert!(!schedule.is_due(5));
        assert!(schedule.is_due(6));
    }
}
