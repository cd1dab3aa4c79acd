//! What the host's log tells of swaps.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::time::Duration;

use anyhow::Context;

use super::clock::{BenchClock, ClockTime};

/// The log, read as it grows.
pub(crate) struct HostLog {
    file: File,
    /// A line that is not at its end yet.
    partial_line: String,
    clock: BenchClock,
}

/// A line of the log that matters here.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct HostLogLine {
    /// When it was written.
    pub(crate) logged_at: ClockTime,
    /// What it says.
    pub(crate) event: HostLogEvent,
}

/// What a line says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum HostLogEvent {
    /// A version is live.
    Live {
        /// From the offer's turn to the end of the trial.
        prepared: Duration,
        /// From the publishing to the last consumer's move.
        moved_in: Duration,
        /// Consumers that moved.
        moved: u64,
        /// Consumers that stay where they were.
        stay: u64,
    },
    /// A component is not taken.
    Rejected(String),
    /// An instance went back on its own.
    InstanceRolledBack {
        /// Events whose changes are lost.
        undone: u64,
    },
    /// A version was taken back.
    VersionRolledBack {
        /// Events whose changes are lost, besides those of instances that went back before.
        undone: u64,
    },
    /// Another warning or error.
    Warning(String),
}

impl HostLog {
    /// Reads a log from where it ends now.
    pub(crate) fn open_at_end(path: &Path, clock: BenchClock) -> anyhow::Result<Self> {
        let mut file = File::open(path).with_context(|| path.display().to_string())?;
        file.seek(SeekFrom::End(0))?;
        Ok(Self { file, partial_line: String::new(), clock })
    }

    /// What has been written since this was last asked.
    pub(crate) fn read_new_lines(&mut self) -> anyhow::Result<Vec<HostLogLine>> {
        self.file.read_to_string(&mut self.partial_line).context("the host's log")?;
        let Some(end) = self.partial_line.rfind('\n') else { return Ok(Vec::new()) };
        let behind = self.partial_line.split_off(end + 1);
        let lines = std::mem::replace(&mut self.partial_line, behind);
        Ok(lines.lines().filter_map(|line| parse_line(line, &self.clock)).collect())
    }
}

fn parse_line(line: &str, clock: &BenchClock) -> Option<HostLogLine> {
    let at = clock.parse_timestamp(line.split_whitespace().next()?)?;
    let undone = || number_after(line, "the changes of ");
    let told = if line.contains(" is live after ") {
        HostLogEvent::Live {
            prepared: Duration::from_millis(number_after(line, "prepared in ")?),
            moved_in: Duration::from_millis(number_after(line, "consumers moved in ")?),
            moved: number_before(line, " consumers moved in ")?,
            stay: number_before(line, " stay").unwrap_or(0),
        }
    } else if let Some((_, why)) = line.split_once(" stays: ") {
        HostLogEvent::Rejected(why.to_owned())
    } else if line.contains(" was rolled back after ") {
        HostLogEvent::VersionRolledBack { undone: undone()? }
    } else if line.contains(" after a fault ") && line.contains(" lost_events=") {
        HostLogEvent::InstanceRolledBack { undone: number_after(line, " lost_events=")? }
    } else if line.contains(" WARN ") || line.contains(" ERROR ") {
        HostLogEvent::Warning(line.to_owned())
    } else {
        return None;
    };
    Some(HostLogLine { logged_at: at, event: told })
}

fn number_after(line: &str, words: &str) -> Option<u64> {
    let (_, behind) = line.split_once(words)?;
    let end = behind.find(|c: char| !c.is_ascii_digit()).unwrap_or(behind.len());
    behind[..end].parse().ok()
}

fn number_before(line: &str, words: &str) -> Option<u64> {
    let (before, _) = line.split_once(words)?;
    before.rsplit(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(line: &str) -> HostLogEvent {
        let line = format!("2026-01-31T12:00:00.000001Z  WARN narrowboat_deploy::rollout: {line}");
        parse_line(&line, &BenchClock::start()).unwrap().event
    }

    #[test]
    fn a_live_version_tells_how_long_it_took() {
        let line = "version 00ff is live after 11ee, prepared in 80 ms; 7990 consumers moved in \
                    512 ms, 10 stay: restore: no (10×) plugin=\"traveller\"";
        let (prepared, moved_in) = (Duration::from_millis(80), Duration::from_millis(512));
        assert_eq!(told(line), HostLogEvent::Live { prepared, moved_in, moved: 7990, stay: 10 });
    }

    #[test]
    fn what_going_back_undid_is_told_in_three_ways() {
        let own = "rolled back one consumer after a fault plugin=\"traveller\" channel=\"c\" \
                   version=\"11ee\" lost_events=99 fault=trap: no";
        assert_eq!(told(own), HostLogEvent::InstanceRolledBack { undone: 99 });
        let shared = "rolled back a shared instance after a fault plugin=\"traveller\" \
                      version=\"11ee\" consumers=8 lost_events=9 fault=trap: no";
        assert_eq!(told(shared), HostLogEvent::InstanceRolledBack { undone: 9 });
        let all = "version 00ff was rolled back after 1 faults in 200 events, seen by 1 of 1 clients: 11ee is live again; 8 \
                   consumers went back to the state they had left it with, and the changes of 7 \
                   events are lost; 0 restarted, 0 closed, 0 stay; the same bytes will not be";
        assert_eq!(told(all), HostLogEvent::VersionRolledBack { undone: 7 });
    }

    #[test]
    fn a_refusal_gives_its_reason() {
        let refused = "refused, version 11ee stays: the trial failed: restore: no";
        assert_eq!(
            told(refused),
            HostLogEvent::Rejected("the trial failed: restore: no".to_owned())
        );
        assert!(matches!(told("something else"), HostLogEvent::Warning(_)));
    }
}
