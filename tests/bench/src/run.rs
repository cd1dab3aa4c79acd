//! A run: puts every load on the servers in turn, measures idle connections, and reports the results.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, ValueEnum};

use crate::client::idle::IdleMemory;
use crate::comparison::{Comparison, PAYLOAD, all_comparisons, compare_latency, full_echo_load};
use crate::fairness;
use crate::measurement::BenchMetric;
use crate::narrowboat_only;
use crate::output;
use crate::peer::{BenchFiles, Peer};
use crate::process;
use crate::report::{BenchReport, IdleResult};
use crate::section::{BenchSection, GoalResult};
use crate::service::Service;
use crate::source_plugins::{self, SourceReport};
use crate::spread::Spread;

/// The options of a run.
#[derive(Args)]
pub(crate) struct BenchArgs {
    /// Run fewer and shorter rounds, and no swaps
    #[arg(long)]
    quick: bool,
    /// Run only these parts
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<BenchPart>,
    /// Print the mappings of idle connections
    #[arg(long)]
    verbose: bool,
    /// The JSON file for the results
    #[arg(long, default_value = "target/bench.json")]
    json: PathBuf,
    #[command(flatten)]
    site: BenchFiles,
}

/// A part of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum BenchPart {
    /// Echo: each client gets its own texts back
    Echo,
    /// Latency of echoes at a fixed rate
    Latency,
    /// Broadcast: one plugin instance writes to all clients
    Broadcast,
    /// Messages of a group, handled by each member's consumer
    Group,
    /// Frames of a group, without the members' consumers
    Frames,
    /// Opening and closing connections
    Connects,
    /// Memory of idle connections
    Idle,
    /// Guest calls without a socket
    Calls,
    /// Warm start
    Start,
    /// A tenant beside a misbehaving tenant
    Fairness,
    /// Source plugins
    Source,
    /// Swaps under load
    Swaps,
}

/// The size of a run.
struct BenchPlan {
    rounds: usize,
    warm_up: Duration,
    measure: Duration,
    /// The number of idle connections of every server.
    idle_connections: usize,
    /// The servers whose memory is measured again with more connections: as many as the default limits of a machine
    /// allow, which are 20,000 open files and 65,530 mappings for each process.
    many_idle_connections: &'static [(Peer, usize)],
    /// The number of connections under which a plugin is swapped.
    swap_connections: Option<usize>,
}

impl BenchPlan {
    const FULL: Self = Self {
        rounds: 5,
        warm_up: Duration::from_millis(400),
        measure: Duration::from_millis(2_000),
        idle_connections: 5_000,
        many_idle_connections: &[
            (Peer::Bun, 19_000),
            (Peer::Bare, 19_000),
            (Peer::SharedInstance, 19_000),
            (Peer::InstancePerConnection, 15_000),
        ],
        swap_connections: Some(8_000),
    };

    const QUICK: Self = Self {
        rounds: 3,
        warm_up: Duration::from_millis(300),
        measure: Duration::from_millis(1_000),
        idle_connections: 1_000,
        many_idle_connections: &[],
        swap_connections: None,
    };
}

/// The state of a run.
struct BenchRun<'a> {
    arguments: &'a BenchArgs,
    plan: BenchPlan,
    sections: Vec<BenchSection>,
    idle: Vec<IdleResult>,
    singles: Vec<GoalResult>,
    source_plugins: Option<SourceReport>,
}

/// Measures, prints the report, and writes it as JSON.
pub(crate) fn run(arguments: &BenchArgs) -> anyhow::Result<()> {
    let plan = if arguments.quick { BenchPlan::QUICK } else { BenchPlan::FULL };
    let mut run = BenchRun {
        arguments,
        plan,
        sections: Vec::new(),
        idle: Vec::new(),
        singles: Vec::new(),
        source_plugins: None,
    };
    // After a failure, still report the results so far.
    let measured = run.measure();
    let report = BenchReport {
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        rounds: run.plan.rounds,
        measured: run.plan.measure,
        sections: run.sections,
        idle: run.idle,
        singles: run.singles,
        source_plugins: run.source_plugins,
        verbose: arguments.verbose,
    };
    output::print_report(&report);
    let json = serde_json::to_vec_pretty(&report)?;
    std::fs::write(&arguments.json, json).with_context(|| arguments.json.display().to_string())?;
    measured
}

impl BenchRun<'_> {
    fn measure(&mut self) -> anyhow::Result<()> {
        self.measure_comparisons()?;
        self.measure_idle()?;
        self.singles.extend(evaluate_idle_goals(&self.idle)?);
        self.measure_singles()
    }

    fn is_selected(&self, part: BenchPart) -> bool {
        self.arguments.only.is_empty() || self.arguments.only.contains(&part)
    }

    fn measure_comparisons(&mut self) -> anyhow::Result<()> {
        for comparison in all_comparisons() {
            if self.is_selected(comparison.part) {
                self.compare(comparison)?;
            }
        }
        if self.is_selected(BenchPart::Latency) {
            let rate = self.measure_bun_rate()?;
            self.compare(compare_latency(rate / 2))?;
        }
        Ok(())
    }

    /// Measures the echoes a second that Bun reaches.
    fn measure_bun_rate(&self) -> anyhow::Result<u64> {
        let full = self.measure_section(Comparison {
            part: BenchPart::Latency,
            title: "Bun's full load".to_owned(),
            service: Service::Echo,
            load: full_echo_load(),
            peers: vec![Peer::Bun],
            goals: Vec::new(),
        })?;
        let rates = full.rows[0].rounds.iter().filter_map(|round| round.metric(BenchMetric::Rate));
        Ok(Spread::from_rounds(rates).context("no rounds")?.median as u64)
    }

    fn measure_idle(&mut self) -> anyhow::Result<()> {
        if self.is_selected(BenchPart::Idle) {
            for peer in [
                Peer::Bun,
                Peer::Gorilla,
                Peer::Bare,
                Peer::Ws,
                Peer::Uvicorn,
                Peer::SharedInstance,
                Peer::InstancePerConnection,
            ] {
                self.idle.push(self.measure_idle_memory(peer, self.plan.idle_connections)?);
            }
            for (peer, many) in self.plan.many_idle_connections {
                self.idle.push(self.measure_idle_memory(*peer, *many)?);
            }
        }
        Ok(())
    }

    fn measure_singles(&mut self) -> anyhow::Result<()> {
        let (site, rounds) = (&self.arguments.site, self.plan.rounds);
        if self.is_selected(BenchPart::Calls) {
            output::print_progress("guest calls");
            self.singles.extend(narrowboat_only::measure_calls(site, rounds)?);
        }
        if self.is_selected(BenchPart::Start) {
            output::print_progress("warm start");
            self.singles.push(narrowboat_only::measure_warm_start(site, rounds)?);
        }
        if self.is_selected(BenchPart::Fairness) {
            let BenchPlan { warm_up, measure, .. } = self.plan;
            self.singles.extend(fairness::measure(site, rounds, warm_up, measure)?);
        }
        if self.is_selected(BenchPart::Source) {
            self.source_plugins = Some(source_plugins::measure(site, rounds)?);
        }
        if let Some(connections) = self.plan.swap_connections
            && self.is_selected(BenchPart::Swaps)
        {
            self.singles.extend(narrowboat_only::measure_swaps(site, connections)?);
        }
        Ok(())
    }

    fn compare(&mut self, comparison: Comparison) -> anyhow::Result<()> {
        let section = self.measure_section(comparison)?;
        self.sections.push(section);
        Ok(())
    }

    /// Measures a load on the servers in turn, in rounds. Each round starts a new process, because the memory layout of
    /// a process changes its results by some per cent.
    fn measure_section(&self, comparison: Comparison) -> anyhow::Result<BenchSection> {
        let Comparison { title, service, load, peers, goals, .. } = comparison;
        let BenchPlan { rounds, warm_up, measure, .. } = self.plan;
        let mut entries: Vec<_> = peers.iter().map(|peer| (*peer, Vec::new())).collect();
        for round in 0..rounds {
            output::print_progress(&format!("{title}: round {} of {rounds}", round + 1));
            for (peer, measured) in &mut entries {
                let server = peer.start(&self.arguments.site, service, load.max_connections())?;
                let one = load.measure(&server, service.path(), warm_up, measure);
                measured.push(one.with_context(|| peer.title())?);
            }
        }
        BenchSection::new(title, load, entries, &goals).context("a server has no rounds")
    }

    /// Measures the memory of idle connections of a server. It starts a new server, because a used one would reuse the
    /// memory of earlier connections.
    fn measure_idle_memory(&self, peer: Peer, connections: usize) -> anyhow::Result<IdleResult> {
        output::print_progress(&format!("{connections} idle connections, {peer}"));
        let server = peer.start(&self.arguments.site, Service::Echo, Some(connections + 1_000))?;
        let mut client = process::role_command("idle")?;
        client.args(server.client_options()).args(["--path", Service::Echo.path()]);
        client.arg("--connections").arg(connections.to_string());
        client.arg("--payload").arg(PAYLOAD.to_string());
        let held: IdleMemory = process::run_client(client).with_context(|| peer.title())?;
        Ok(IdleResult { peer, memory: held })
    }
}

fn evaluate_idle_goals(idle: &[IdleResult]) -> anyhow::Result<Vec<GoalResult>> {
    let mut goals = Vec::new();
    for IdleResult { peer, memory: held } in idle {
        let most = match peer {
            Peer::SharedInstance => 4.0,
            Peer::InstancePerConnection => 25.0,
            _ => continue,
        };
        let what = format!("resident a connection, {} idle, {peer}", held.connections);
        let found = Spread::from_rounds([held.kib_per_connection(held.growth.total().resident)]);
        goals.push(GoalResult::at_most(&what, "KiB", most, found.context("nothing weighed")?));
    }
    Ok(goals)
}
