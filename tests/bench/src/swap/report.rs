//! The report of a run, as text and as JSON.

use std::fmt;

use serde::Serialize;

use super::IsolationResult;
use super::under_load::{SwapMeasurement, UnderLoadResult};
use super::version::VersionKind;
use crate::spread::Spread;
use crate::table::Table;

/// The results of a run.
#[derive(Serialize)]
pub(crate) struct SwapReport {
    /// The cores of the machine, which clients and host share.
    pub(crate) cores: usize,
    /// The results by isolation.
    pub(crate) outcomes: Vec<IsolationResult>,
}

impl SwapReport {
    /// The number of violations.
    pub(crate) fn violation_count(&self) -> u64 {
        self.outcomes.iter().map(|outcome| outcome.course.violated).sum()
    }
}

impl fmt::Display for SwapReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.outcomes.iter().try_for_each(|outcome| write_result(outcome, self.cores, f))?;
        writeln!(f, "Times are in ms, triples p50 / p99 / max.")
    }
}

fn write_result(
    outcome: &IsolationResult,
    cores: usize,
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    let IsolationResult { isolation, course, idle } = outcome;
    let quiet = &course.quiet;
    writeln!(f, "{} connections, {}, {cores} cores\n", course.connections, isolation.title())?;
    writeln!(
        f,
        "{:.0} messages a second to the host and {:.0} from it; the host takes {:.2} cores, the \
         clients {:.2}\nround trips without swaps: {}\n",
        quiet.sent, quiet.received, quiet.host_cores, quiet.client_cores, quiet.trips,
    )?;
    writeln!(f, "{}", swap_table(&course.swaps))?;
    writeln!(f, "what a swap to a good version adds to a round trip")?;
    writeln!(f, "  while consumers move: {} ({})", course.pause, course.pause.count)?;
    writeln!(f, "  from the file's change on: {}", course.disturbance)?;
    let (before, peak) = (format_mib(course.memory_before), format_mib(course.memory_peak));
    writeln!(f, "memory of the host: {before} MiB before, {peak} MiB at most")?;
    if let Some(churn) = &course.churn {
        writeln!(
            f,
            "a file changed {} times, ten a second: {} became live, the last after {:.0} ms; round \
             trips meanwhile: {}",
            churn.changes, churn.live, churn.caught_up, churn.trips,
        )?;
    }
    if let Some(idle) = Spread::from_rounds(idle.iter().copied()) {
        writeln!(f, "file to the first answer by new code, on an idle host: {idle:.0}")?;
    }
    write_violations(course, f)?;
    writeln!(f)
}

fn write_violations(course: &UnderLoadResult, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let UnderLoadResult { sent, received, violated, .. } = course;
    writeln!(f, "{sent} messages sent, {received} received; violations: {violated}")?;
    for violation in &course.violations {
        writeln!(f, "  {violation}")?;
    }
    for warning in &course.complaints {
        writeln!(f, "  log: {warning}")?;
    }
    Ok(())
}

fn swap_table(swaps: &[SwapMeasurement]) -> Table {
    let heading = [
        "version",
        "new code",
        "decided",
        "prepared",
        "moved in",
        "round trips meanwhile",
        "undone, log = counts",
        "MiB",
        "verdict",
    ];
    let mut table = Table::new(heading);
    for swap in swaps {
        let time = |time: Option<f64>| time.map_or_else(String::new, |time| format!("{time:.0}"));
        let undone = |undone: Option<u64>| undone.map_or_else(String::new, |n| n.to_string());
        let (log, counts) = (undone(swap.undone), undone(swap.undone_by_count));
        table.push_row([
            kind_title(swap.kind).to_owned(),
            time(swap.answered),
            time(Some(swap.decided)),
            time(swap.prepared),
            time(swap.moved),
            swap.trips.to_string(),
            if log.is_empty() { log } else { format!("{log} = {counts}") },
            format_mib(swap.memory),
            swap.verdict.chars().take(MAX_VERDICT).collect(),
        ]);
    }
    table
}

/// The length to which the table cuts a verdict. The JSON has the whole verdict.
const MAX_VERDICT: usize = 60;

fn kind_title(kind: VersionKind) -> &'static str {
    match kind {
        VersionKind::Good => "good",
        VersionKind::Damaged => "half a file",
        VersionKind::FailsLoad => "load-module fails",
        VersionKind::FailsRestore => "restore fails",
        VersionKind::FailsSome => "some restores fail",
        VersionKind::Traps => "traps at event 100",
    }
}

fn format_mib(bytes: i64) -> String {
    format!("{}", bytes / 1024 / 1024)
}
