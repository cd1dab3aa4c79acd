//! `make layer-bench`: measures messages from a publisher on one host to the members of a room on another host, over
//! one Redis. Compares with channels_redis and two uvicorn processes.

pub(crate) mod load;
mod servers;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use serde::Serialize;

use crate::output;
use crate::process;
use crate::spread::Spread;
use crate::table::Table;
use load::LayerMeasurement;
use servers::{LayerServerFiles, LayerServerKind, RedisProcess};

/// The numbers of members of the room on the other host.
const MEMBERS: [usize; 2] = [10, 1_000];

/// The number of messages in flight. It is below a channel's capacity of 100.
const IN_FLIGHT: usize = 16;

/// The length of a message's text, in bytes.
const PAYLOAD: usize = 64;

/// The options of a run.
#[derive(Args)]
pub(crate) struct LayerArgs {
    /// Number of rounds for each kind of server
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of measurement in a round
    #[arg(long, default_value_t = 4)]
    seconds: u64,
    /// The host's program, if it is not next to this one
    #[arg(long)]
    narrowboat: Option<PathBuf>,
    /// The component of the group plugin
    #[arg(long, default_value = "target/narrowboat/group.wasm")]
    component: PathBuf,
    /// The Python interpreter with channels_redis and uvicorn
    #[arg(long, default_value = "target/venv/bin/python")]
    python: PathBuf,
    /// The Django site
    #[arg(long, default_value = "tests/peers")]
    site: PathBuf,
    /// The JSON file for the results
    #[arg(long, default_value = "target/bench-layer.json")]
    json: PathBuf,
    /// The folder for configurations and logs of the servers
    #[arg(long, default_value = "target/bench")]
    folder: PathBuf,
}

/// The results for a room of one size.
#[derive(Serialize)]
struct LayerRow {
    members: usize,
    narrowboat: LayerMetrics,
    channels: LayerMetrics,
    /// The ratio of Narrowboat's deliveries to those of Channels, from the ratios of the rounds.
    ratio: Spread,
}

#[derive(Serialize)]
struct LayerMetrics {
    /// Deliveries per second at the members' sockets.
    deliveries: Spread,
    /// The CPU time of both servers for each delivery, in microseconds.
    cpu: Spread,
}

#[derive(Serialize)]
struct LayerReport(Vec<LayerRow>);

/// Measures, prints the report, and writes it as JSON.
pub(crate) fn run(arguments: &LayerArgs) -> anyhow::Result<()> {
    let narrowboat = match &arguments.narrowboat {
        Some(file) => file.clone(),
        None => process::current_program()?.with_file_name("narrowboat"),
    };
    let site = LayerServerFiles {
        narrowboat,
        component: arguments.component.clone(),
        python: arguments.python.clone(),
        django: arguments.site.clone(),
        folder: arguments.folder.clone(),
    };
    let redis = RedisProcess::start()?;
    let rows = MEMBERS.map(|members| measure_row(arguments, &site, &redis, members));
    let report = LayerReport(rows.into_iter().collect::<anyhow::Result<_>>()?);
    output::print_report(&report);
    let json = serde_json::to_vec_pretty(&report)?;
    std::fs::write(&arguments.json, json).with_context(|| arguments.json.display().to_string())
}

fn measure_row(
    arguments: &LayerArgs,
    site: &LayerServerFiles,
    redis: &RedisProcess,
    members: usize,
) -> anyhow::Result<LayerRow> {
    let mut rounds = Vec::new();
    for round in 0..arguments.rounds {
        output::print_progress(&format!(
            "{members} members, round {} of {}",
            round + 1,
            arguments.rounds
        ));
        let measure = |kind| measure(arguments, site, redis, members, kind);
        rounds.push((measure(LayerServerKind::Narrowboat)?, measure(LayerServerKind::Channels)?));
    }
    let ratios = rounds
        .iter()
        .map(|(ours, theirs)| ours.deliveries_per_second() / theirs.deliveries_per_second());
    Ok(LayerRow {
        members,
        ratio: Spread::from_rounds(ratios).context("no rounds")?,
        narrowboat: LayerMetrics::from_rounds(rounds.iter().map(|(ours, _)| ours))?,
        channels: LayerMetrics::from_rounds(rounds.iter().map(|(_, theirs)| theirs))?,
    })
}

fn measure(
    arguments: &LayerArgs,
    site: &LayerServerFiles,
    redis: &RedisProcess,
    members: usize,
    kind: LayerServerKind,
) -> anyhow::Result<LayerMeasurement> {
    let (publisher, receiver) = (site.start(kind, "a", redis)?, site.start(kind, "b", redis)?);
    let mut client = process::role_command("layer-load")?;
    client.arg("--publisher").arg(publisher.address().to_string());
    client.arg("--receiver").arg(receiver.address().to_string());
    client.args(["--pids", &format!("{},{}", publisher.pid(), receiver.pid())]);
    client.arg("--members").arg(members.to_string());
    client.arg("--in-flight").arg(IN_FLIGHT.to_string());
    client.arg("--payload").arg(PAYLOAD.to_string());
    client.arg("--measure").arg(Duration::from_secs(arguments.seconds).as_millis().to_string());
    process::run_client(client).with_context(|| format!("{kind:?}, {members} members"))
}

impl LayerMetrics {
    fn from_rounds<'a>(
        rounds: impl Iterator<Item = &'a LayerMeasurement> + Clone,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            deliveries: Spread::from_rounds(
                rounds.clone().map(LayerMeasurement::deliveries_per_second),
            )
            .context("no rounds")?,
            cpu: Spread::from_rounds(rounds.map(LayerMeasurement::cpu_micros_per_delivery))
                .context("no rounds")?,
        })
    }
}

impl fmt::Display for LayerReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "From a publisher on one host to members on another, over one Redis, {PAYLOAD} B, {IN_FLIGHT} in flight.\n\
             Deliveries counted at the members' sockets; CPU is that of both servers. Median (least–most).\n"
        )?;
        let mut table = Table::new(["members", "deliveries/s", "CPU, µs", "ratio"]);
        for row in &self.0 {
            let line = |name: &str, figures: &LayerMetrics, ratio: String| {
                [
                    format!("{} {name}", row.members),
                    figures.deliveries.to_string(),
                    format!("{:.1}", figures.cpu),
                    ratio,
                ]
            };
            table.push_row(line("channels_redis", &row.channels, "1".to_owned()));
            table.push_row(line("Narrowboat", &row.narrowboat, format!("{:.1}", row.ratio)));
        }
        write!(f, "{table}")
    }
}
