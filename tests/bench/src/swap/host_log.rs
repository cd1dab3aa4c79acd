//! Parses the lines of the host's log about swaps.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::time::Duration;

use anyhow::Context;

use super::clock::{BenchClock, ClockTime};

/// The log, read while it grows.
pub(crate) struct HostLog {
    file: File,
    /// The beginning of a line that is not complete yet.
    partial_line: String,
    clock: BenchClock,
}

/// A relevant line of the log.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct HostLogLine {
    /// The moment at which it was written.
    pub(crate) logged_at: ClockTime,
    /// The event that it reports.
    pub(crate) event: HostLogEvent,
}

/// An event in the log.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum HostLogEvent {
    /// A version became live.
    Live {
        /// The time from the start of the deploy to the end of the trial.
        prepared: Duration,
        /// The time from the switch to the new version to the last consumer's move.
        moved_in: Duration,
        /// The number of consumers that moved.
        moved: u64,
        /// The number of consumers that stayed in the old version.
        stay: u64,
    },
    /// The host refused a component.
    Rejected(String),
    /// One instance rolled back on its own.
    InstanceRolledBack {
        /// The number of events whose changes are lost.
        undone: u64,
    },
    /// The host rolled a version back.
    VersionRolledBack {
        /// The number of events whose changes are lost, without those of instances that rolled back before.
        undone: u64,
    },
    /// Another warning or error.
    Warning(String),
}

impl HostLog {
    /// Opens a log at its current end.
    pub(crate) fn open_at_end(path: &Path, clock: BenchClock) -> anyhow::Result<Self> {
        let mut file = File::open(path).with_context(|| path.display().to_string())?;
        file.seek(SeekFrom::End(0))?;
        Ok(Self { file, partial_line: String::new(), clock })
    }

    /// Returns the events since the last call.
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
    let undone = || number_after(line, " lost_events=");
    let event = if line.contains(": version is live plugin=") {
        HostLogEvent::Live {
            prepared: Duration::from_millis(number_after(line, " prepared_ms=")?),
            moved_in: Duration::from_millis(number_after(line, " moved_in_ms=")?),
            moved: number_after(line, " moved=")?,
            stay: number_after(line, " kept_old=").unwrap_or(0),
        }
    } else if let Some((_, rest)) = line.split_once(": deploy refused ") {
        let (_, reason) = rest.split_once(" error=")?;
        HostLogEvent::Rejected(reason.to_owned())
    } else if line.contains(": version rolled back;") {
        HostLogEvent::VersionRolledBack { undone: undone()? }
    } else if line.contains(" after a fault ") && line.contains(" lost_events=") {
        HostLogEvent::InstanceRolledBack { undone: undone()? }
    } else if line.contains(" WARN ") || line.contains(" ERROR ") {
        HostLogEvent::Warning(line.to_owned())
    } else {
        return None;
    };
    Some(HostLogLine { logged_at: at, event })
}

fn number_after(line: &str, words: &str) -> Option<u64> {
    let (_, behind) = line.split_once(words)?;
    let end = behind.find(|c: char| !c.is_ascii_digit()).unwrap_or(behind.len());
    behind[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event_of(line: &str) -> HostLogEvent {
        let line = format!("2026-01-31T12:00:00.000001Z  WARN narrowboat_deploy::rollout: {line}");
        parse_line(&line, &BenchClock::start()).unwrap().event
    }

    #[test]
    fn a_live_version_tells_how_long_it_took() {
        let line = "version is live plugin=\"traveller\" version=\"00ff\" previous=\"11ee\" requested_by=\"file\" \
                    prepared_ms=80 moved=7990 moved_in_ms=512 max_pause_ms=0.2 kept_old=10 failures=restore: no (10×)";
        let (prepared, moved_in) = (Duration::from_millis(80), Duration::from_millis(512));
        assert_eq!(
            event_of(line),
            HostLogEvent::Live { prepared, moved_in, moved: 7990, stay: 10 }
        );
    }

    #[test]
    fn the_lost_events_of_three_kinds_of_rollback_are_parsed() {
        let own = "rolled back one consumer after a fault plugin=\"traveller\" channel=\"c\" \
                   version=\"11ee\" lost_events=99 fault=trap: no";
        assert_eq!(event_of(own), HostLogEvent::InstanceRolledBack { undone: 99 });
        let shared = "rolled back a shared instance after a fault plugin=\"traveller\" \
                      version=\"11ee\" consumers=8 lost_events=9 fault=trap: no";
        assert_eq!(event_of(shared), HostLogEvent::InstanceRolledBack { undone: 9 });
        let all = "version rolled back; `narrowboat deploy --force` deploys the same bytes again plugin=\"traveller\" \
                   version=\"00ff\" live=\"11ee\" faults=1 events=200 failed_clients=1 clients=1 moved=8 lost_events=7";
        assert_eq!(event_of(all), HostLogEvent::VersionRolledBack { undone: 7 });
    }

    #[test]
    fn a_refusal_gives_its_reason() {
        let refused =
            "deploy refused plugin=\"traveller\" live=\"11ee\" error=the trial failed: restore: no";
        assert_eq!(
            event_of(refused),
            HostLogEvent::Rejected("the trial failed: restore: no".to_owned())
        );
        assert!(matches!(event_of("something else"), HostLogEvent::Warning(_)));
    }
}
