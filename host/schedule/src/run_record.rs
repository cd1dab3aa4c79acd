//! The record of a schedule in the key-value store, which all hosts share.

use serde::{Deserialize, Serialize};

use crate::scheduled_run::RunState;

/// The largest number of times in a record. A time that leaves the full list becomes the floor, so a clock that is put back
/// further repeats no run.
const MAX_SETTLED: usize = 32;

/// The last second of the year 9999.
const MAX_TIME: i64 = 253_402_300_799;

/// More attempts and heartbeats than a run has. A record with more is damaged.
const MAX_PLAUSIBLE_ATTEMPT: u32 = 1_000;
const MAX_PLAUSIBLE_HEARTBEAT: u64 = u32::MAX as u64;

/// The record of a schedule. Times are Unix times in seconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RunRecord {
    /// The schedule, for operators who read the store.
    schedule: String,
    /// No run that is due at or before this time is started.
    floor: i64,
    /// Times after the floor whose runs were claimed or missed, in their order. A list and not the last time alone: a host
    /// whose clock is wrong may settle a time in the far future, and the times before it still run.
    settled: Vec<i64>,
    /// The run that was claimed last.
    pub(crate) run: Option<ClaimedRun>,
}

/// A run, and the host that has claimed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ClaimedRun {
    pub(crate) nominal: i64,
    /// A random number of the scheduler that has claimed the run.
    pub(crate) owner: u64,
    pub(crate) attempt: u32,
    /// Grows while the owner lives. Other hosts compare it with their own clock's time, so that skewed wall clocks do not
    /// matter.
    pub(crate) heartbeat: u64,
    pub(crate) state: RunState,
    #[serde(default)]
    pub(crate) is_late: bool,
}

impl ClaimedRun {
    /// Whether the other is the same attempt of the same host.
    pub(crate) fn is_same_attempt(&self, other: &Self) -> bool {
        (self.nominal, self.owner, self.attempt) == (other.nominal, other.owner, other.attempt)
    }
}

impl RunRecord {
    /// The record of a schedule that begins at a time.
    pub(crate) fn new(schedule: String, floor: i64) -> Self {
        Self { schedule, floor, settled: Vec::new(), run: None }
    }

    /// The last settled time before a time, or the floor.
    pub(crate) fn settled_before(&self, nominal: i64) -> i64 {
        let earlier = self.settled.partition_point(|time| *time < nominal);
        earlier.checked_sub(1).map_or(self.floor, |index| self.settled[index])
    }

    /// Settles a time.
    pub(crate) fn settle(&mut self, nominal: i64) {
        if let Err(index) = self.settled.binary_search(&nominal) {
            self.settled.insert(index, nominal);
        }
        if self.settled.len() > MAX_SETTLED {
            self.floor = self.floor.max(self.settled.remove(0));
        }
    }

    /// Parses a record. Returns `None` for a record that no scheduler writes, so that later arithmetic cannot overflow.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok().filter(Self::is_plausible)
    }

    fn is_plausible(&self) -> bool {
        let is_time = |time: &i64| (0..=MAX_TIME).contains(time);
        let is_run = |run: &ClaimedRun| {
            is_time(&run.nominal)
                && run.attempt <= MAX_PLAUSIBLE_ATTEMPT
                && run.heartbeat <= MAX_PLAUSIBLE_HEARTBEAT
        };
        is_time(&self.floor)
            && self.settled.len() <= MAX_SETTLED
            && self.settled.iter().all(is_time)
            && self.settled.is_sorted_by(|a, b| a < b)
            && self.run.as_ref().is_none_or(is_run)
    }

    /// Whether the schedule has begun later than at a time, which a wrong clock may have caused.
    pub(crate) fn begins_after(&self, time: i64) -> bool {
        self.floor > time
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        // Numbers and texts always have a JSON form.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_remembers_a_bounded_number_of_times_and_no_earlier_one_runs_again() {
        let mut record = RunRecord::new(String::new(), 0);
        (1..=100).for_each(|time| record.settle(time * 60));
        assert_eq!(record.settled_before(101 * 60), 100 * 60);
        assert_eq!(record.settled_before(100 * 60), 99 * 60);
        // The times that have left the list are below the floor.
        assert_eq!(record.settled_before(60), 68 * 60);
        assert!(record.to_bytes().len() < 1024);
    }

    #[test]
    fn a_damaged_record_counts_as_missing() {
        let parse = |text: &str| RunRecord::parse(text.as_bytes());
        let run = r#"{"nominal":1,"owner":1,"attempt":1,"heartbeat":1,"state":"running"}"#;
        let record = |floor: &str, settled: &str, run: &str| {
            format!(r#"{{"schedule":"","floor":{floor},"settled":{settled},"run":{run}}}"#)
        };
        assert!(parse(&record("0", "[1,2]", run)).is_some());
        for (floor, settled, run) in [
            ("-1", "[]", run),
            ("9223372036854775807", "[]", run),
            ("0", "[2,1]", run),
            ("0", "[]", &run.replace("\"nominal\":1", "\"nominal\":9223372036854775807")),
            ("0", "[]", &run.replace("\"attempt\":1", "\"attempt\":4294967295")),
            ("0", "[]", &run.replace("\"heartbeat\":1", "\"heartbeat\":18446744073709551615")),
        ] {
            assert_eq!(parse(&record(floor, settled, run)), None, "{floor} {settled} {run}");
        }
    }

    #[test]
    fn a_time_in_the_far_future_does_not_settle_those_before_it() {
        let mut record = RunRecord::new(String::new(), 0);
        record.settle(60);
        record.settle(1_000_000);
        assert_eq!(record.settled_before(121), 60);
    }
}
