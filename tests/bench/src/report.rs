//! What a run found, for people and as JSON.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::comparison::Comparison;
use crate::guest::Calls;
use crate::idle::Held;
use crate::peer::Peer;
use crate::table::Table;

/// All that a run found.
#[derive(Serialize)]
pub(crate) struct Report {
    /// Cores of the machine, which client and server share.
    pub(crate) cores: usize,
    /// How often each load was repeated.
    pub(crate) rounds: usize,
    /// How long each repetition was measured.
    pub(crate) measured: Duration,
    /// Servers echoing.
    pub(crate) echo: Comparison,
    /// Servers with idle connections.
    pub(crate) idle: Vec<Idle>,
    /// Print the owners of memory too.
    #[serde(skip)]
    pub(crate) verbose: bool,
}

/// What one server's idle connections hold.
#[derive(Serialize)]
pub(crate) struct Idle {
    /// Which server.
    pub(crate) peer: Peer,
    /// What they hold together.
    #[serde(flatten)]
    pub(crate) held: Held,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cores, rounds, echo, .. } = self;
        let shape = echo.shape;
        writeln!(
            f,
            "Echo of {} B over {} connections, {} in flight, on {cores} cores: median \
             (least–most) of {rounds} rounds of {} s\n",
            shape.payload,
            shape.connections,
            shape.in_flight,
            self.measured.as_secs_f64(),
        )?;
        write!(f, "{}", echo_table(echo))?;
        let (fiber, plain) = (Peer::Guest(Calls::Fiber), Peer::Guest(Calls::Plain));
        if let Some(price) = echo.cpu_ratio(fiber, plain) {
            writeln!(f, "\ncall_async takes {price:.2} times the CPU of a plain call")?;
        }
        let connections = self.idle.iter().map(|idle| idle.held.connections).max();
        let connections = connections.unwrap_or(0);
        writeln!(
            f,
            "\nMemory of an idle connection that has echoed once, {connections} of them\n"
        )?;
        write!(f, "{}", idle_table(&self.idle))?;
        writeln!(f, "\nResident counts what instances share for each of them, private does not.")?;
        if self.verbose {
            self.idle.iter().try_for_each(|idle| write!(f, "\n{}", owners(idle)))?;
        }
        Ok(())
    }
}

fn echo_table(echo: &Comparison) -> Table {
    let mut table =
        Table::new(["", "CPU a message, µs", "to bare", "messages a second", "to bare"]);
    for row in &echo.rows {
        let to_bare = |ratio| match row.peer {
            Peer::Bare => "1".to_owned(),
            _ => format!("{ratio:.2}"),
        };
        table.row([
            row.peer.title().to_owned(),
            format!("{:.1}", row.cpu),
            to_bare(row.cpu_ratio),
            format!("{:.0}", row.throughput),
            to_bare(row.throughput_ratio),
        ]);
    }
    table
}

fn idle_table(rows: &[Idle]) -> Table {
    let heading = ["", "resident, KiB", "private, KiB", "page tables, KiB", "mappings"];
    let mut table = Table::new(heading);
    for Idle { peer, held } in rows {
        let total = held.growth.total();
        table.row([
            peer.title().to_owned(),
            held.kib_each(total.resident),
            held.kib_each(total.private),
            held.kib_each(held.growth.page_tables),
            held.each(total.mappings),
        ]);
    }
    table
}

/// What the mappings of one server's connections are, the largest first.
fn owners(Idle { peer, held }: &Idle) -> Table {
    let heading = [peer.title(), "mappings", "resident, KiB", "private, KiB", "addresses, KiB"];
    let mut table = Table::new(heading);
    let mut kinds: Vec<_> = held.growth.kinds.iter().collect();
    kinds.sort_by_key(|(_, totals)| std::cmp::Reverse((totals.resident, totals.mappings)));
    for (kind, totals) in kinds {
        if totals.mappings != 0 || totals.resident != 0 {
            table.row([
                format!("  {kind}"),
                held.each(totals.mappings),
                held.kib_each(totals.resident),
                held.kib_each(totals.private),
                held.kib_each(totals.size),
            ]);
        }
    }
    table
}

impl Held {
    /// A connection's part of a count.
    fn each(&self, count: i64) -> String {
        format!("{:.2}", count as f64 / self.connections as f64)
    }

    /// A connection's part of so many bytes.
    fn kib_each(&self, bytes: i64) -> String {
        format!("{:.1}", bytes as f64 / 1024.0 / self.connections as f64)
    }
}
