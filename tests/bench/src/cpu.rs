//! The processor time a process has had.

use std::ops::Sub;
use std::time::Duration;

use anyhow::Context;
use serde::{Deserialize, Serialize};

/// The unit of `/proc/PID/stat`: Linux shows every architecture's programs hundredths of a second.
const CLOCK_TICK: Duration = Duration::from_millis(10);

/// Processor time of all threads of a process, the ended ones included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CpuTime {
    /// In the program itself.
    pub(crate) user: Duration,
    /// In the kernel on its behalf.
    pub(crate) system: Duration,
}

impl CpuTime {
    /// What a process has had since it began.
    pub(crate) fn of_process(pid: u32) -> anyhow::Result<Self> {
        let file = format!("/proc/{pid}/stat");
        let stat = std::fs::read_to_string(&file).with_context(|| file.clone())?;
        Self::parse_stat(&stat).with_context(|| format!("{file} is not as expected: {stat}"))
    }

    fn parse_stat(stat: &str) -> Option<Self> {
        // The program's name stands in parentheses and may itself hold blanks and parentheses.
        let (_, fields) = stat.rsplit_once(')')?;
        let mut fields = fields.split_ascii_whitespace().skip(11).map(str::parse::<u32>);
        let mut next = || Some(CLOCK_TICK * fields.next()?.ok()?);
        Some(Self { user: next()?, system: next()? })
    }

    /// User and system time together.
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
