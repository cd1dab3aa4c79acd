//! The report of a run, as text and as JSON.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::client::idle::IdleMemory;
use crate::peer::Peer;
use crate::section::{BenchRow, BenchSection, GoalResult};
use crate::source_plugins::SourceReport;
use crate::table::Table;

/// The results of a run.
#[derive(Serialize)]
pub(crate) struct BenchReport {
    /// The cores of the machine, which clients and servers share.
    pub(crate) cores: usize,
    /// The number of rounds of each load.
    pub(crate) rounds: usize,
    /// The duration of the measurement in each round.
    pub(crate) measured: Duration,
    /// The comparisons of servers under the same load.
    pub(crate) sections: Vec<BenchSection>,
    /// The memory of idle connections, by server.
    pub(crate) idle: Vec<IdleResult>,
    /// The goals with a fixed bound.
    pub(crate) singles: Vec<GoalResult>,
    /// The figures of source plugins.
    pub(crate) source_plugins: Option<SourceReport>,
    /// Whether to print the mappings too.
    #[serde(skip)]
    pub(crate) verbose: bool,
}

/// The memory of one server's idle connections.
#[derive(Serialize)]
pub(crate) struct IdleResult {
    /// The server.
    pub(crate) peer: Peer,
    /// The memory of all its idle connections.
    #[serde(flatten)]
    pub(crate) memory: IdleMemory,
}

impl fmt::Display for BenchReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cores, rounds, measured, .. } = self;
        let seconds = measured.as_secs_f64();
        writeln!(
            f,
            "On {cores} cores, which the client shares; median (least–most) of {rounds} rounds of {seconds} s.\n\
             CPU is the server's, a message; ratios are those of each round to the first line.\n"
        )?;
        self.sections.iter().try_for_each(|section| write_section(section, f))?;
        if !self.idle.is_empty() {
            writeln!(f, "Memory of an idle connection that has echoed once\n")?;
            writeln!(f, "{}", idle_table(&self.idle))?;
            writeln!(
                f,
                "Resident counts what instances share for each of them, private does not.\n"
            )?;
        }
        if self.verbose {
            self.idle.iter().try_for_each(|idle| writeln!(f, "{}", mapping_table(idle)))?;
        }
        self.singles.iter().try_for_each(|single| write_goal(single, f))?;
        self.source_plugins.iter().try_for_each(|report| write!(f, "\n{report}"))
    }
}

fn write_section(section: &BenchSection, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut heading = vec![section.title.clone()];
    for figure in section.load.metrics() {
        heading.extend([figure.title().to_owned(), "ratio".to_owned()]);
    }
    let mut table = Table::with_heading(heading);
    for (index, BenchRow { peer, figures, .. }) in section.rows.iter().enumerate() {
        let mut cells = vec![format!("  {peer}")];
        for (figure, own, ratio) in figures {
            let decimals = figure.decimals();
            cells.push(format!("{own:.decimals$}"));
            cells.push(if index == 0 { "1".to_owned() } else { format!("{ratio:.2}") });
        }
        table.push_row(cells);
    }
    write!(f, "{table}")?;
    section.goals.iter().try_for_each(|goal| write_goal(goal, f))?;
    writeln!(f)
}

fn write_goal(goal: &GoalResult, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let GoalResult { text, found, met } = goal;
    writeln!(f, "  {} {text}: {found:.2}", if *met { "met   " } else { "missed" })
}

fn idle_table(rows: &[IdleResult]) -> Table {
    let heading = ["", "resident, KiB", "private, KiB", "page tables, KiB", "mappings"];
    let mut table = Table::new(heading);
    for IdleResult { peer, memory: held } in rows {
        let total = held.growth.total();
        table.push_row([
            format!("{peer}, {} of them", held.connections),
            format_kib(held, total.resident),
            format_kib(held, total.private),
            format_kib(held, held.growth.page_tables),
            held.count_per_connection(total.mappings),
        ]);
    }
    table
}

/// The mappings of one server's connections, the largest first.
fn mapping_table(IdleResult { peer, memory: held }: &IdleResult) -> Table {
    let heading = [peer.title(), "mappings", "resident, KiB", "private, KiB", "addresses, KiB"];
    let mut table = Table::new(heading);
    let mut kinds: Vec<_> = held.growth.kinds.iter().collect();
    kinds.sort_by_key(|(_, totals)| std::cmp::Reverse((totals.resident, totals.mappings)));
    for (kind, totals) in kinds {
        if totals.mappings != 0 || totals.resident != 0 {
            table.push_row([
                format!("  {kind}"),
                held.count_per_connection(totals.mappings),
                format_kib(held, totals.resident),
                format_kib(held, totals.private),
                format_kib(held, totals.size),
            ]);
        }
    }
    table
}

impl IdleMemory {
    /// A count for each connection.
    fn count_per_connection(&self, count: i64) -> String {
        format!("{:.2}", count as f64 / self.connections as f64)
    }

    /// Bytes for each connection, in KiB.
    pub(crate) fn kib_per_connection(&self, bytes: i64) -> f64 {
        bytes as f64 / 1024.0 / self.connections as f64
    }
}

fn format_kib(held: &IdleMemory, bytes: i64) -> String {
    format!("{:.1}", held.kib_per_connection(bytes))
}
