//! The CPU time of a process.

use std::ops::Sub;
use std::time::Duration;

use anyhow::Context;
use serde::{Deserialize, Serialize};

/// The unit of the times in `/proc/PID/stat`. On Linux it is 10 ms on every architecture.
const CLOCK_TICK: Duration = Duration::from_millis(10);

/// The CPU time of all threads of a process, including ended ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CpuTime {
    /// The time in user mode.
    pub(crate) user: Duration,
    /// The time in kernel mode.
    pub(crate) system: Duration,
}

impl CpuTime {
    /// Reads the CPU time of a process since its start.
    pub(crate) fn of_process(pid: u32) -> anyhow::Result<Self> {
        let file = format!("/proc/{pid}/stat");
        let stat = std::fs::read_to_string(&file).with_context(|| file.clone())?;
        Self::parse_stat(&stat).with_context(|| format!("{file} is not as expected: {stat}"))
    }

    fn parse_stat(stat: &str) -> Option<Self> {
        // The program's name is in parentheses and may contain spaces and parentheses.
        let (_, fields) = stat.rsplit_once(')')?;
        let mut fields = fields.split_ascii_whitespace().skip(11).map(str::parse::<u32>);
        let mut next = || Some(CLOCK_TICK * fields.next()?.ok()?);
        Some(Self { user: next()?, system: next()? })
    }

    /// The sum of user and system time.
    pub(crate) fn total(self) -> Duration {
        self.user + self.system
    }
}

impl Sub for CpuTime {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self { user: self.user - earlier.user, system: self.system - earlier.system }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_blanks_and_parentheses_does_not_shift_the_fields() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194304 1 0 0 0 150 25 0 0 20 0 1 0 9 9 9";
        let time = CpuTime::parse_stat(stat).unwrap();
        assert_eq!(time.user, Duration::from_millis(1_500));
        assert_eq!(time.system, Duration::from_millis(250));
        assert_eq!(CpuTime::parse_stat("7 (a) S 1"), None);
    }
}
