//! A run: every load on the servers in turn, their idle connections, and what comes of it.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, ValueEnum};

use crate::client::idle::Held;
use crate::client::{Load, Shape};
use crate::fairness;
use crate::guest::Calls;
use crate::measured::Figure;
use crate::peer::{Peer, Site};
use crate::process;
use crate::report::{Idle, Report};
use crate::section::{Goal, Judged, Section};
use crate::service::{Room, Service};
use crate::single;
use crate::spread::Spread;
use crate::tell;

/// What a run can be told.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Fewer and shorter rounds, and no swaps
    #[arg(long)]
    quick: bool,
    /// Only these parts
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Part>,
    /// Print what the memory of idle connections consists of
    #[arg(long)]
    verbose: bool,
    /// Where the figures go
    #[arg(long, default_value = "target/bench.json")]
    json: PathBuf,
    #[command(flatten)]
    site: Site,
}

/// A part of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Each client gets its own texts back
    Echo,
    /// The same at a given rate: how long it takes
    Latency,
    /// One plugin instance writes to all
    Broadcast,
    /// A group's messages through each member's consumer
    Group,
    /// A group's frames
    Frames,
    /// Connections opened and closed
    Connects,
    /// Memory of idle connections
    Idle,
    /// Guest calls without a socket
    Calls,
    /// Warm start
    Start,
    /// A tenant beside one that misbehaves
    Fairness,
    /// Swaps under load
    Swaps,
}

/// How much is done.
struct Plan {
    rounds: usize,
    warm_up: Duration,
    measure: Duration,
    /// Idle connections of every server.
    idle: usize,
    /// Servers that are weighed a second time, with as many connections as a machine as it comes lets them
    /// have: 20,000 files a process, 65,530 mappings.
    idle_many: &'static [(Peer, usize)],
    /// Connections under which a plugin is swapped.
    swapped: Option<usize>,
}

impl Plan {
    const FULL: Self = Self {
        rounds: 5,
        warm_up: Duration::from_millis(400),
        measure: Duration::from_millis(2_000),
        idle: 5_000,
        idle_many: &[(Peer::Bare, 19_000), (Peer::Shared, 19_000), (Peer::Own, 15_000)],
        swapped: Some(8_000),
    };

    const QUICK: Self = Self {
        rounds: 3,
        warm_up: Duration::from_millis(300),
        measure: Duration::from_millis(1_000),
        idle: 1_000,
        idle_many: &[],
        swapped: None,
    };
}

/// Clients of an echo.
const CONNECTIONS: usize = 50;

/// Bytes of a text, where nothing else is said.
const PAYLOAD: usize = 64;

/// Texts of a room that are on their way.
const IN_FLIGHT: usize = 4;

/// Members of a room.
const MEMBERS: [usize; 4] = [10, 100, 1_000, 8_000];

const PLAIN: Peer = Peer::Guest(Calls::Plain);
const FIBER: Peer = Peer::Guest(Calls::Fiber);
const HOSTS: [Peer; 2] = [Peer::Own, Peer::Shared];

/// A run on its way.
struct Run<'a> {
    arguments: &'a Arguments,
    plan: Plan,
    sections: Vec<Section>,
    idle: Vec<Idle>,
    singles: Vec<Judged>,
}

/// Measures, prints and writes what was found.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let plan = if arguments.quick { Plan::QUICK } else { Plan::FULL };
    let mut run =
        Run { arguments, plan, sections: Vec::new(), idle: Vec::new(), singles: Vec::new() };
    // What was found before a failure is told all the same.
    let measured = run.measure();
    let report = Report {
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        rounds: run.plan.rounds,
        measured: run.plan.measure,
        sections: run.sections,
        idle: run.idle,
        singles: run.singles,
        verbose: arguments.verbose,
    };
    tell::found(&report);
    let json = serde_json::to_vec_pretty(&report)?;
    std::fs::write(&arguments.json, json).with_context(|| arguments.json.display().to_string())?;
    measured
}

impl Run<'_> {
    fn measure(&mut self) -> anyhow::Result<()> {
        self.echo()?;
        self.rooms()?;
        self.connects()?;
        self.weigh_all()?;
        self.singles.extend(idle_goals(&self.idle)?);
        self.measure_singles()
    }

    fn wants(&self, part: Part) -> bool {
        self.arguments.only.is_empty() || self.arguments.only.contains(&part)
    }

    fn echo(&mut self) -> anyhow::Result<()> {
        for (payload, in_flight) in [(64, 1), (1_024, 1), (64, 16), (1_024, 16)] {
            if !self.wants(Part::Echo) {
                break;
            }
            let mut peers = vec![Peer::Bare, Peer::Own, Peer::Shared, Peer::Ws];
            if payload == PAYLOAD {
                peers.extend([PLAIN, FIBER, Peer::Slow, Peer::Uvicorn, Peer::Daphne]);
            }
            let cpu = if in_flight == 1 { 1.05 } else { 0.6 };
            let goals = HOSTS.map(|peer| goal(peer, Figure::Cpu, Peer::Bare, cpu));
            let rates = HOSTS.map(|peer| goal(peer, Figure::Rate, Peer::Ws, 1.4));
            let shape = Shape { connections: CONNECTIONS, payload, in_flight };
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
        if self.wants(Part::Latency) {
            self.latency()?;
        }
        Ok(())
    }

    /// At half of the rate that the bare server reaches.
    fn latency(&mut self) -> anyhow::Result<()> {
        let shape = Shape { connections: CONNECTIONS, payload: PAYLOAD, in_flight: 1 };
        let title = "The bare server's full load".to_owned();
        let full = self.section(title, Service::Echo, Load::Echo(shape), &[Peer::Bare], &[])?;
        let rates = full.rows[0].rounds.iter().filter_map(|round| round.figure(Figure::Rate));
        let full = Spread::of(rates).context("no rounds")?.median;
        let rate = (full / 2.0) as u64;
        let load = Load::Paced { connections: CONNECTIONS, payload: PAYLOAD, rate };
        let title = format!(
            "Echo of {PAYLOAD} B, {CONNECTIONS} connections, {rate} a second: half of what the bare \
             server does"
        );
        let goals = [Figure::P50, Figure::P99, Figure::P999]
            .map(|figure| HOSTS.map(|peer| goal(peer, figure, Peer::Bare, 1.1)));
        let peers = [Peer::Bare, Peer::Own, Peer::Shared, Peer::Ws];
        self.compare(title, Service::Echo, load, &peers, goals.as_flattened())
    }

    fn rooms(&mut self) -> anyhow::Result<()> {
        let load = |members| Load::Room { members, payload: PAYLOAD, in_flight: IN_FLIGHT };
        if self.wants(Part::Broadcast) {
            let title = "The broadcast plugin, 1000 clients, a delivery".to_owned();
            let goals = [goal(Peer::Shared, Figure::Cpu, Peer::Ws, 0.65)];
            let peers = [Peer::Ws, Peer::Bare, Peer::Shared];
            let service = Service::Room(Room::Broadcast);
            self.compare(title, service, load(1_000), &peers, &goals)?;
        }
        for members in MEMBERS {
            if !self.wants(Part::Group) {
                break;
            }
            let mut peers = vec![Peer::Ws, Peer::Own, Peer::Shared];
            if members <= 100 {
                peers.extend([Peer::Uvicorn, Peer::Daphne]);
            }
            let title = format!("A group of {members}, through each one's handler, a delivery");
            let goals = HOSTS.map(|peer| goal(peer, Figure::Cpu, Peer::Ws, 0.9));
            self.compare(title, Service::Room(Room::Handler), load(members), &peers, &goals)?;
        }
        for members in MEMBERS {
            if !self.wants(Part::Frames) {
                break;
            }
            let peers = [Peer::Ws, Peer::Bare, Peer::Own, Peer::Shared];
            let title = format!("A group of {members}, by group-send-frame, a delivery");
            let to_ws = HOSTS.map(|peer| goal(peer, Figure::Cpu, Peer::Ws, 0.55));
            let to_bare = HOSTS.map(|peer| goal(peer, Figure::Cpu, Peer::Bare, 1.05));
            let goals = [to_ws, to_bare].concat();
            self.compare(title, Service::Room(Room::Frame), load(members), &peers, &goals)?;
        }
        Ok(())
    }

    fn connects(&mut self) -> anyhow::Result<()> {
        if !self.wants(Part::Connects) {
            return Ok(());
        }
        let title = "Connections opened and closed, 32 at a time, each".to_owned();
        let goals = HOSTS.map(|peer| goal(peer, Figure::Cpu, Peer::Bare, 1.25));
        let peers = [Peer::Bare, Peer::Own, Peer::Shared, Peer::Ws];
        self.compare(title, Service::Echo, Load::Connects { at_once: 32 }, &peers, &goals)
    }

    fn weigh_all(&mut self) -> anyhow::Result<()> {
        if self.wants(Part::Idle) {
            for peer in [Peer::Bare, Peer::Ws, Peer::Uvicorn, Peer::Shared, Peer::Own] {
                self.idle.push(self.weigh(peer, self.plan.idle)?);
            }
            for (peer, many) in self.plan.idle_many {
                self.idle.push(self.weigh(*peer, *many)?);
            }
        }
        Ok(())
    }

    fn measure_singles(&mut self) -> anyhow::Result<()> {
        let (site, rounds) = (&self.arguments.site, self.plan.rounds);
        if self.wants(Part::Calls) {
            tell::progress("guest calls");
            self.singles.extend(single::calls(site, rounds)?);
        }
        if self.wants(Part::Start) {
            tell::progress("warm start");
            self.singles.push(single::warm_start(site, rounds)?);
        }
        if self.wants(Part::Fairness) {
            let Plan { warm_up, measure, .. } = self.plan;
            self.singles.extend(fairness::measure(site, rounds, warm_up, measure)?);
        }
        if let Some(connections) = self.plan.swapped
            && self.wants(Part::Swaps)
        {
            self.singles.extend(single::swaps(site, connections)?);
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
        let section = self.section(title, service, load, peers, goals)?;
        self.sections.push(section);
        Ok(())
    }

    /// The servers in turn, round by round. Each round has a new process: how one lies in memory is
    /// worth some per cent, for as long as it lives.
    fn section(
        &self,
        title: String,
        service: Service,
        load: Load,
        peers: &[Peer],
        goals: &[Goal],
    ) -> anyhow::Result<Section> {
        let Plan { rounds, warm_up, measure, .. } = self.plan;
        let mut entries: Vec<_> = peers.iter().map(|peer| (*peer, Vec::new())).collect();
        for round in 0..rounds {
            tell::progress(&format!("{title}: round {} of {rounds}", round + 1));
            for (peer, measured) in &mut entries {
                let server = peer.start(&self.arguments.site, service, None)?;
                let one = load.measure(&server, service.path(), warm_up, measure);
                measured.push(one.with_context(|| peer.title())?);
            }
        }
        Section::new(title, load, entries, goals).context("a server has no rounds")
    }

    /// What the idle connections of a server hold. The server is a new one: what earlier connections
    /// left would be used again.
    fn weigh(&self, peer: Peer, connections: usize) -> anyhow::Result<Idle> {
        tell::progress(&format!("{connections} idle connections, {peer}"));
        let server = peer.start(&self.arguments.site, Service::Echo, Some(connections + 1_000))?;
        let mut client = process::role("idle")?;
        client.args(server.options()).args(["--path", Service::Echo.path()]);
        client.arg("--connections").arg(connections.to_string());
        client.arg("--payload").arg(PAYLOAD.to_string());
        let held: Held = process::ask(client).with_context(|| peer.title())?;
        Ok(Idle { peer, held })
    }
}

/// The processor time and a delay at most so many times the other's, a rate at least.
fn goal(peer: Peer, figure: Figure, to: Peer, times: f64) -> Goal {
    Goal { peer, figure, to, times }
}

fn idle_goals(idle: &[Idle]) -> anyhow::Result<Vec<Judged>> {
    let mut goals = Vec::new();
    for Idle { peer, held } in idle {
        let most = match peer {
            Peer::Shared => 7.0,
            Peer::Own => 20.0,
            _ => continue,
        };
        let what = format!("resident a connection, {} idle, {peer}", held.connections);
        let found = Spread::of([held.kib_each(held.growth.total().resident)]);
        goals.push(Judged::at_most(&what, "KiB", most, found.context("nothing weighed")?));
    }
    Ok(goals)
}
