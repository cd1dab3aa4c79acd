//! A run: the servers, the load on them in turn, their idle connections, and what comes of it.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::Args;

use crate::comparison::Comparison;
use crate::guest::Calls;
use crate::idle::Held;
use crate::load::{Measured, Shape};
use crate::peer::{PATH, Peer, Site};
use crate::process::{self, Server};
use crate::report::{Idle, Report};
use crate::tell;

/// What a run can be told.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Fewer and shorter rounds
    #[arg(long)]
    quick: bool,
    /// Print what the memory of idle connections consists of
    #[arg(long)]
    verbose: bool,
    /// The host's program, if it does not lie beside this one
    #[arg(long)]
    narrowboat: Option<PathBuf>,
    /// The echo plugin's component
    #[arg(long, default_value = "target/narrowboat/echo.wasm")]
    component: PathBuf,
    /// Where the figures go
    #[arg(long, default_value = "target/bench.json")]
    json: PathBuf,
    /// Where configurations and logs of the servers go
    #[arg(long, default_value = "target/bench")]
    folder: PathBuf,
}

/// How much is done.
struct Plan {
    rounds: usize,
    /// The servers beside the main row take part in every so many rounds.
    others_every: usize,
    warm_up: Duration,
    measure: Duration,
    idle_connections: usize,
}

impl Plan {
    const FULL: Self = Self {
        rounds: 11,
        others_every: 2,
        warm_up: Duration::from_millis(300),
        measure: Duration::from_millis(2_000),
        idle_connections: 2_000,
    };

    const QUICK: Self = Self {
        rounds: 3,
        others_every: 2,
        warm_up: Duration::from_millis(200),
        measure: Duration::from_millis(1_000),
        idle_connections: 500,
    };
}

/// The load of the main row.
const SHAPE: Shape = Shape { connections: 50, payload: 64, in_flight: 1 };

/// The main row: these take part in every round.
const MAIN: [Peer; 2] = [Peer::Bare, Peer::Narrowboat];

/// The rows beneath it.
const OTHERS: [Peer; 3] =
    [Peer::NarrowboatSlow, Peer::Guest(Calls::Plain), Peer::Guest(Calls::Fiber)];

/// Those whose idle connections are weighed.
const WEIGHED: [Peer; 3] = [Peer::Bare, Peer::NarrowboatShared, Peer::Narrowboat];

/// Measures, prints and writes what was found.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let plan = if arguments.quick { Plan::QUICK } else { Plan::FULL };
    let site = Site::new(narrowboat(arguments)?, &arguments.component, &arguments.folder)?;
    let echo = compare(&site, &plan)?;
    let idle = WEIGHED.into_iter().map(|peer| weigh(peer, &site, &plan));
    let idle = idle.collect::<anyhow::Result<_>>()?;
    let report = Report {
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        rounds: plan.rounds,
        measured: plan.measure,
        echo,
        idle,
        verbose: arguments.verbose,
    };
    tell::found(&report);
    let json = serde_json::to_vec_pretty(&report)?;
    std::fs::write(&arguments.json, json).with_context(|| arguments.json.display().to_string())
}

fn narrowboat(arguments: &Arguments) -> anyhow::Result<PathBuf> {
    match &arguments.narrowboat {
        Some(file) => Ok(file.clone()),
        None => Ok(process::this_program()?.with_file_name("narrowboat")),
    }
}

/// The servers in turn, round by round. Each round has a new process: how one lies in memory is
/// worth some per cent, for as long as it lives.
fn compare(site: &Site, plan: &Plan) -> anyhow::Result<Comparison> {
    let peers = MAIN.into_iter().chain(OTHERS);
    let mut entries: Vec<_> = peers.map(|peer| (peer, Vec::new())).collect();
    for round in 0..plan.rounds {
        tell::progress(&format!("echo, round {} of {}", round + 1, plan.rounds));
        for (peer, rounds) in &mut entries {
            let takes_part = MAIN.contains(peer) || round % plan.others_every == 0;
            let measured = takes_part.then(|| load(&peer.start(site)?, plan)).transpose();
            rounds.push(measured.with_context(|| peer.title())?);
        }
    }
    Comparison::new(SHAPE, entries).context("a server has taken part in no round")
}

fn load(server: &Server, plan: &Plan) -> anyhow::Result<Measured> {
    let mut client = process::role("load")?;
    client.args(server.options()).args(["--path", PATH]);
    client.arg("--connections").arg(SHAPE.connections.to_string());
    client.arg("--payload").arg(SHAPE.payload.to_string());
    client.arg("--in-flight").arg(SHAPE.in_flight.to_string());
    client.arg("--warm-up").arg(plan.warm_up.as_millis().to_string());
    client.arg("--measure").arg(plan.measure.as_millis().to_string());
    process::ask(client)
}

/// What the idle connections of a server hold. The server is a new one: what earlier connections
/// left would be used again.
fn weigh(peer: Peer, site: &Site, plan: &Plan) -> anyhow::Result<Idle> {
    tell::progress(&format!("idle connections, {}", peer.title()));
    let server = peer.start(site)?;
    let mut client = process::role("idle")?;
    client.args(server.options()).args(["--path", PATH]);
    client.arg("--connections").arg(plan.idle_connections.to_string());
    client.arg("--payload").arg(SHAPE.payload.to_string());
    let held: Held = process::ask(client).with_context(|| peer.title())?;
    Ok(Idle { peer, held })
}
