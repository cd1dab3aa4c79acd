//! A run: puts every load on the servers in turn, measures idle connections, and reports the results.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, ValueEnum};

use crate::client::idle::IdleMemory;
use crate::client::{EchoLoad, Load};
use crate::fairness;
use crate::guest::CallKind;
use crate::measurement::BenchMetric;
use crate::narrowboat_only;
use crate::output;
use crate::peer::{BenchFiles, Peer};
use crate::process;
use crate::report::{BenchReport, IdleResult};
use crate::section::{BenchSection, Goal, GoalResult};
use crate::service::{RoomDelivery, Service};
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
enum BenchPart {
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

/// The number of connections of an echo load.
const CONNECTIONS: usize = 50;

/// The default length of a text, in bytes.
const PAYLOAD: usize = 64;

/// The number of texts of a room in flight.
const IN_FLIGHT: usize = 4;

/// The numbers of members of a room.
const MEMBERS: [usize; 4] = [10, 100, 1_000, 8_000];

const PLAIN_GUEST: Peer = Peer::Guest(CallKind::Plain);
const FIBER_GUEST: Peer = Peer::Guest(CallKind::Fiber);
const HOSTS: [Peer; 2] = [Peer::InstancePerConnection, Peer::SharedInstance];

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
        self.measure_echo()?;
        self.measure_rooms()?;
        self.measure_connects()?;
        self.measure_idle()?;
        self.singles.extend(evaluate_idle_goals(&self.idle)?);
        self.measure_singles()
    }

    fn is_selected(&self, part: BenchPart) -> bool {
        self.arguments.only.is_empty() || self.arguments.only.contains(&part)
    }

    fn measure_echo(&mut self) -> anyhow::Result<()> {
        for (payload, in_flight) in [(64, 1), (1_024, 1), (64, 16), (1_024, 16)] {
            if !self.is_selected(BenchPart::Echo) {
                break;
            }
            let mut peers =
                vec![Peer::Bare, Peer::InstancePerConnection, Peer::SharedInstance, Peer::Ws];
            if payload == PAYLOAD {
                peers.extend([
                    PLAIN_GUEST,
                    FIBER_GUEST,
                    Peer::OnGuestThread,
                    Peer::Uvicorn,
                    Peer::Daphne,
                ]);
            }
            let cpu = if in_flight == 1 { 1.05 } else { 0.6 };
            let goals = HOSTS.map(|peer| new_goal(peer, BenchMetric::Cpu, Peer::Bare, cpu));
            let rates = HOSTS.map(|peer| new_goal(peer, BenchMetric::Rate, Peer::Ws, 1.4));
            let shape = EchoLoad { connections: CONNECTIONS, payload, in_flight };
            let title =
                format!("Echo of {payload} B, {CONNECTIONS} connections, {in_flight} in flight");
            self.compare(
                title,
                Service::Echo,
                Load::Echo(shape),
                &peers,
                &[goals, rates].concat(),
            )?;
        }
        if self.is_selected(BenchPart::Latency) {
            self.measure_latency()?;
        }
        Ok(())
    }

    /// Measures latency at half of the rate that the bare server reaches.
    fn measure_latency(&mut self) -> anyhow::Result<()> {
        let shape = EchoLoad { connections: CONNECTIONS, payload: PAYLOAD, in_flight: 1 };
        let title = "The bare server's full load".to_owned();
        let full =
            self.measure_section(title, Service::Echo, Load::Echo(shape), &[Peer::Bare], &[])?;
        let rates = full.rows[0].rounds.iter().filter_map(|round| round.metric(BenchMetric::Rate));
        let full = Spread::from_rounds(rates).context("no rounds")?.median;
        let rate = (full / 2.0) as u64;
        let load = Load::Paced { connections: CONNECTIONS, payload: PAYLOAD, rate };
        let title = format!(
            "Echo of {PAYLOAD} B, {CONNECTIONS} connections, {rate} a second: half of what the bare \
             server does"
        );
        let goals = [BenchMetric::P50, BenchMetric::P99, BenchMetric::P999]
            .map(|figure| HOSTS.map(|peer| new_goal(peer, figure, Peer::Bare, 1.1)));
        let peers = [Peer::Bare, Peer::InstancePerConnection, Peer::SharedInstance, Peer::Ws];
        self.compare(title, Service::Echo, load, &peers, goals.as_flattened())
    }

    fn measure_rooms(&mut self) -> anyhow::Result<()> {
        let load = |members| Load::Room { members, payload: PAYLOAD, in_flight: IN_FLIGHT };
        if self.is_selected(BenchPart::Broadcast) {
            let title = "The broadcast plugin, 1000 clients, a delivery".to_owned();
            let goals = [new_goal(Peer::SharedInstance, BenchMetric::Cpu, Peer::Ws, 0.65)];
            let peers = [Peer::Ws, Peer::Bare, Peer::SharedInstance];
            let service = Service::Room(RoomDelivery::Broadcast);
            self.compare(title, service, load(1_000), &peers, &goals)?;
        }
        for members in MEMBERS {
            if !self.is_selected(BenchPart::Group) {
                break;
            }
            let mut peers = vec![Peer::Ws, Peer::InstancePerConnection, Peer::SharedInstance];
            if members <= 100 {
                peers.extend([Peer::Uvicorn, Peer::Daphne]);
            }
            let title = format!("A group of {members}, through each one's handler, a delivery");
            let goals = HOSTS.map(|peer| new_goal(peer, BenchMetric::Cpu, Peer::Ws, 0.9));
            self.compare(
                title,
                Service::Room(RoomDelivery::Handler),
                load(members),
                &peers,
                &goals,
            )?;
        }
        for members in MEMBERS {
            if !self.is_selected(BenchPart::Frames) {
                break;
            }
            let peers = [Peer::Ws, Peer::Bare, Peer::InstancePerConnection, Peer::SharedInstance];
            let title = format!("A group of {members}, by group-send-frame, a delivery");
            let to_ws = HOSTS.map(|peer| new_goal(peer, BenchMetric::Cpu, Peer::Ws, 0.55));
            let to_bare = HOSTS.map(|peer| new_goal(peer, BenchMetric::Cpu, Peer::Bare, 1.05));
            let goals = [to_ws, to_bare].concat();
            self.compare(title, Service::Room(RoomDelivery::Frame), load(members), &peers, &goals)?;
        }
        Ok(())
    }

    fn measure_connects(&mut self) -> anyhow::Result<()> {
        if !self.is_selected(BenchPart::Connects) {
            return Ok(());
        }
        let title = "Connections opened and closed, 32 at a time, each".to_owned();
        let goals = HOSTS.map(|peer| new_goal(peer, BenchMetric::Cpu, Peer::Bare, 1.25));
        let peers = [Peer::Bare, Peer::InstancePerConnection, Peer::SharedInstance, Peer::Ws];
        self.compare(title, Service::Echo, Load::Connects { at_once: 32 }, &peers, &goals)
    }

    fn measure_idle(&mut self) -> anyhow::Result<()> {
        if self.is_selected(BenchPart::Idle) {
            for peer in [
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

    fn compare(
        &mut self,
        title: String,
        service: Service,
        load: Load,
        peers: &[Peer],
        goals: &[Goal],
    ) -> anyhow::Result<()> {
        let section = self.measure_section(title, service, load, peers, goals)?;
        self.sections.push(section);
        Ok(())
    }

    /// Measures a load on the servers in turn, in rounds. Each round starts a new process, because the memory layout of
    /// a process changes its results by some per cent.
    fn measure_section(
        &self,
        title: String,
        service: Service,
        load: Load,
        peers: &[Peer],
        goals: &[Goal],
    ) -> anyhow::Result<BenchSection> {
        let BenchPlan { rounds, warm_up, measure, .. } = self.plan;
        let mut entries: Vec<_> = peers.iter().map(|peer| (*peer, Vec::new())).collect();
        for round in 0..rounds {
            output::print_progress(&format!("{title}: round {} of {rounds}", round + 1));
            for (peer, measured) in &mut entries {
                let server = peer.start(&self.arguments.site, service, None)?;
                let one = load.measure(&server, service.path(), warm_up, measure);
                measured.push(one.with_context(|| peer.title())?);
            }
        }
        BenchSection::new(title, load, entries, goals).context("a server has no rounds")
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

/// A goal for a ratio: CPU time and latency have an upper bound, a rate has a lower bound.
fn new_goal(peer: Peer, figure: BenchMetric, to: Peer, times: f64) -> Goal {
    Goal { peer, figure, to, times }
}

fn evaluate_idle_goals(idle: &[IdleResult]) -> anyhow::Result<Vec<GoalResult>> {
    let mut goals = Vec::new();
    for IdleResult { peer, memory: held } in idle {
        let most = match peer {
            Peer::SharedInstance => 7.0,
            Peer::InstancePerConnection => 20.0,
            _ => continue,
        };
        let what = format!("resident a connection, {} idle, {peer}", held.connections);
        let found = Spread::from_rounds([held.kib_per_connection(held.growth.total().resident)]);
        goals.push(GoalResult::at_most(&what, "KiB", most, found.context("nothing weighed")?));
    }
    Ok(goals)
}
