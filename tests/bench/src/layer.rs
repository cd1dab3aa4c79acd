//! `make layer-bench`: what passes from a publisher on one host to the members of a room on another, over one Redis,
//! beside channels_redis between two uvicorn processes.

pub(crate) mod load;
mod sites;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use serde::Serialize;

use crate::process;
use crate::spread::Spread;
use crate::table::Table;
use crate::tell;
use load::Measured;
use sites::{Kind, Redis, Site};

/// Members of the room on the other host.
const MEMBERS: [usize; 2] = [10, 1_000];

/// Messages that are on their way at once: few enough for a channel's capacity of 100.
const IN_FLIGHT: usize = 16;

/// Bytes of a message's text.
const PAYLOAD: usize = 64;

/// What a run can be told.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Rounds of each kind
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds that are measured in a round
    #[arg(long, default_value_t = 4)]
    seconds: u64,
    /// The host's program, if it does not lie beside this one
    #[arg(long)]
    narrowboat: Option<PathBuf>,
    /// The group plugin's component
    #[arg(long, default_value = "target/narrowboat/group.wasm")]
    component: PathBuf,
    /// Python with channels_redis and uvicorn
    #[arg(long, default_value = "target/venv/bin/python")]
    python: PathBuf,
    /// The Django site
    #[arg(long, default_value = "tests/peers")]
    site: PathBuf,
    /// Where the figures go
    #[arg(long, default_value = "target/bench-layer.json")]
    json: PathBuf,
    /// Where configurations and logs of the servers go
    #[arg(long, default_value = "target/bench")]
    folder: PathBuf,
}

/// What was found for a room of one size.
#[derive(Serialize)]
struct Row {
    members: usize,
    narrowboat: Figures,
    channels: Figures,
    /// Deliveries of Narrowboat over those of Channels, round by round.
    ratio: Spread,
}

#[derive(Serialize)]
struct Figures {
    /// Deliveries a second at the members' sockets.
    deliveries: Spread,
    /// Processor time of both servers a delivery, in microseconds.
    cpu: Spread,
}

#[derive(Serialize)]
struct Report(Vec<Row>);

/// Measures, prints and writes what was found.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let narrowboat = match &arguments.narrowboat {
        Some(file) => file.clone(),
        None => process::this_program()?.with_file_name("narrowboat"),
    };
    let site = Site {
        narrowboat,
        component: arguments.component.clone(),
        python: arguments.python.clone(),
        django: arguments.site.clone(),
        folder: arguments.folder.clone(),
    };
    let redis = Redis::start()?;
    let rows = MEMBERS.map(|members| row(arguments, &site, &redis, members));
    let report = Report(rows.into_iter().collect::<anyhow::Result<_>>()?);
    tell::found(&report);
    let json = serde_json::to_vec_pretty(&report)?;
    std::fs::write(&arguments.json, json).with_context(|| arguments.json.display().to_string())
}

fn row(arguments: &Arguments, site: &Site, redis: &Redis, members: usize) -> anyhow::Result<Row> {
    let mut rounds = Vec::new();
    for round in 0..arguments.rounds {
        tell::progress(&format!("{members} members, round {} of {}", round + 1, arguments.rounds));
        let measure = |kind| measure(arguments, site, redis, members, kind);
        rounds.push((measure(Kind::Narrowboat)?, measure(Kind::Channels)?));
    }
    let ratios = rounds.iter().map(|(ours, theirs)| ours.rate() / theirs.rate());
    Ok(Row {
        members,
        ratio: Spread::of(ratios).context("no rounds")?,
        narrowboat: Figures::of(rounds.iter().map(|(ours, _)| ours))?,
        channels: Figures::of(rounds.iter().map(|(_, theirs)| theirs))?,
    })
}

fn measure(
    arguments: &Arguments,
    site: &Site,
    redis: &Redis,
    members: usize,
    kind: Kind,
) -> anyhow::Result<Measured> {
    let (publisher, receiver) = (site.start(kind, "a", redis)?, site.start(kind, "b", redis)?);
    let mut client = process::role("layer-load")?;
    client.arg("--publisher").arg(publisher.address().to_string());
    client.arg("--receiver").arg(receiver.address().to_string());
    client.args(["--pids", &format!("{},{}", publisher.pid(), receiver.pid())]);
    client.arg("--members").arg(members.to_string());
    client.arg("--in-flight").arg(IN_FLIGHT.to_string());
    client.arg("--payload").arg(PAYLOAD.to_string());
    client.arg("--measure").arg(Duration::from_secs(arguments.seconds).as_millis().to_string());
    process::ask(client).with_context(|| format!("{kind:?}, {members} members"))
}

impl Figures {
    fn of<'a>(rounds: impl Iterator<Item = &'a Measured> + Clone) -> anyhow::Result<Self> {
        Ok(Self {
            deliveries: Spread::of(rounds.clone().map(Measured::rate)).context("no rounds")?,
            cpu: Spread::of(rounds.map(Measured::cpu_a_delivery)).context("no rounds")?,
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "From a publisher on one host to members on another, over one Redis, {PAYLOAD} B, {IN_FLIGHT} in flight.\n\
             Deliveries counted at the members' sockets; CPU is that of both servers. Median (least–most).\n"
        )?;
        let mut table = Table::new(["members", "deliveries/s", "CPU, µs", "ratio"]);
        for row in &self.0 {
            let line = |name: &str, figures: &Figures, ratio: String| {
                [
                    format!("{} {name}", row.members),
                    figures.deliveries.to_string(),
                    format!("{:.1}", figures.cpu),
                    ratio,
                ]
            };
            table.row(line("channels_redis", &row.channels, "1".to_owned()));
            table.row(line("Narrowboat", &row.narrowboat, format!("{:.1}", row.ratio)));
        }
        write!(f, "{table}")
    }
}
