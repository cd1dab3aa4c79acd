//! `make swap-bench`: swaps a plugin repeatedly under thousands of open connections.

mod clients;
mod clock;
mod component_file;
mod delivery_tracker;
mod host_log;
pub(crate) mod idle;
mod probe;
mod report;
mod round_trips;
pub(crate) mod under_load;
mod version;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use clap::Args;
use serde::Serialize;

use crate::component;
use crate::output;
use crate::peer;
use crate::process::{self, ServerProcess};
use report::SwapReport;
use under_load::UnderLoadResult;
use version::VersionBuilder;

/// The options of a run.
#[derive(Args)]
pub(crate) struct SwapArgs {
    /// Number of connections for each isolation; the machine limits it by open files, ports and mappings
    #[arg(long, default_value_t = 8_000)]
    connections: usize,
    /// Milliseconds between two messages of a client
    #[arg(long, default_value_t = DEFAULT_PACE_MILLIS)]
    pace: u64,
    /// Number of rounds through all kinds of versions
    #[arg(long, default_value_t = 2)]
    rounds: usize,
    /// Seconds during which the file changes ten times per second
    #[arg(long, default_value_t = 60)]
    churn: u64,
    /// Run only this isolation
    #[arg(long)]
    only: Option<BenchIsolation>,
    /// The folder of the host's compiled code; by default an empty folder of the run
    #[arg(long)]
    cache: Option<PathBuf>,
    /// The host's program, if it is not next to this one
    #[arg(long)]
    narrowboat: Option<PathBuf>,
    /// The component of the guest that is swapped
    #[arg(long, default_value = "target/narrowboat/traveller.wasm")]
    component: PathBuf,
    /// The JSON file for the results
    #[arg(long, default_value = "target/swap-bench.json")]
    json: PathBuf,
    /// The folder for configurations, components and logs
    #[arg(long, default_value = "target/swap-bench")]
    folder: PathBuf,
}

/// The isolation of the plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum BenchIsolation {
    /// Each connection has an instance.
    Connection,
    /// All connections share an instance.
    Shared,
}

/// The results of one isolation.
#[derive(Serialize)]
pub(crate) struct IsolationResult {
    /// The isolation.
    pub(crate) isolation: BenchIsolation,
    /// The results under load.
    pub(crate) course: UnderLoadResult,
    /// The results on an idle host: milliseconds from the file's change to the first reply of the new code.
    pub(crate) idle: Vec<f64>,
}

/// Milliseconds between two messages of a client.
const DEFAULT_PACE_MILLIS: u64 = 2_000;

/// The number of swaps on an idle host.
const IDLE_SWAPS: usize = 11;

/// The route of the plugin.
const PLUGIN_PATH: &str = "/traveller/";

/// Measures, prints the report, and writes it as JSON. Fails if there were violations.
pub(crate) fn run(arguments: &SwapArgs) -> anyhow::Result<()> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let report = SwapReport { cores, outcomes: measure_isolations(arguments)? };
    output::print_report(&report);
    let json = serde_json::to_vec_pretty(&report)?;
    std::fs::write(&arguments.json, json).with_context(|| arguments.json.display().to_string())?;
    ensure!(report.violation_count() == 0, "connections noticed more than they may");
    Ok(())
}

/// Measures in few rounds, as a part of another run.
pub(crate) fn measure(
    site: &peer::BenchFiles,
    connections: usize,
    rounds: usize,
) -> anyhow::Result<Vec<IsolationResult>> {
    measure_isolations(&SwapArgs {
        connections,
        pace: DEFAULT_PACE_MILLIS,
        rounds,
        churn: 0,
        only: None,
        cache: None,
        narrowboat: Some(site.narrowboat_path()?),
        component: site.component_path("traveller"),
        json: PathBuf::new(),
        folder: site.create_folder("swap")?,
    })
}

fn measure_isolations(arguments: &SwapArgs) -> anyhow::Result<Vec<IsolationResult>> {
    let isolations = match arguments.only {
        Some(isolation) => vec![isolation],
        None => vec![BenchIsolation::Connection, BenchIsolation::Shared],
    };
    let mut outcomes = Vec::new();
    for isolation in isolations {
        output::print_progress(&format!(
            "{} connections, {}",
            arguments.connections,
            isolation.title()
        ));
        let course = measure_under_load(arguments, isolation).with_context(|| isolation.title())?;
        let idle = measure_idle_swaps(arguments, isolation).with_context(|| isolation.title())?;
        outcomes.push(IsolationResult { isolation, course, idle });
    }
    Ok(outcomes)
}

impl BenchIsolation {
    /// The title in the report.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Connection => "an instance each",
            Self::Shared => "one instance shared",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Connection => "connection",
            Self::Shared => "shared",
        }
    }
}

/// The host and the plugin to swap, as arguments of a client process.
#[derive(Args)]
struct SwapTarget {
    /// Address of the host
    #[arg(long)]
    server: SocketAddr,
    /// Process id of the host
    #[arg(long)]
    pid: u32,
    /// Path of the plugin's route
    #[arg(long)]
    path: String,
    /// The component from which versions are made
    #[arg(long)]
    base: PathBuf,
    /// The component file that the host watches
    #[arg(long)]
    file: PathBuf,
}

impl SwapTarget {
    fn version_builder(&self) -> anyhow::Result<VersionBuilder> {
        let base = std::fs::read(&self.base);
        VersionBuilder::new(base.with_context(|| self.base.display().to_string())?)
    }
}

/// A host and its files.
struct SwapHost {
    server: ServerProcess,
    base: PathBuf,
    file: PathBuf,
    log: PathBuf,
}

impl SwapHost {
    fn start(arguments: &SwapArgs, isolation: BenchIsolation, what: &str) -> anyhow::Result<Self> {
        let folder = arguments.folder.join(format!("{}-{what}", isolation.name()));
        if folder.exists() {
            std::fs::remove_dir_all(&folder).with_context(|| folder.display().to_string())?;
        }
        std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        let folder = folder.canonicalize()?;
        let component = std::fs::read(&arguments.component);
        let component = component.with_context(|| arguments.component.display().to_string())?;
        let manifest = format!(
            "name = \"traveller\"\nisolation = \"{}\"\ncapabilities = {{ groups = [\"*\"], log = true }}\n",
            isolation.name()
        );
        let component = component::replace_manifest(&component, &manifest)?;
        // The component has a folder of its own, in which only swaps change files.
        let [base, file, log] =
            ["base.wasm", "live/traveller.wasm", "log"].map(|file| folder.join(file));
        std::fs::create_dir(folder.join("live"))?;
        std::fs::write(&base, &component)?;
        std::fs::write(&file, &component)?;
        let cache = arguments.cache.clone().unwrap_or_else(|| folder.join("cache"));
        let config = folder.join("narrowboat.toml");
        std::fs::write(&config, config_toml(arguments.connections, &cache))?;
        let narrowboat = match &arguments.narrowboat {
            Some(file) => file.clone(),
            None => process::current_program()?.with_file_name("narrowboat"),
        };
        let mut command = Command::new(narrowboat);
        command.arg("serve").arg("--config").arg(config);
        let server = ServerProcess::start(command, &log)?;
        Ok(Self { server, base, file, log })
    }

    /// Creates the command of a client process for this host.
    fn client_command(&self, role: &str) -> anyhow::Result<Command> {
        let mut client = process::role_command(role)?;
        client.args(self.server.client_options()).args(["--path", PLUGIN_PATH]);
        client.arg("--base").arg(&self.base).arg("--file").arg(&self.file);
        client.stderr(Stdio::inherit());
        Ok(client)
    }
}

/// The configuration of the host. It allows the connections and some new ones. A single trap rolls a version back, so
/// the run has rollbacks of single instances and of whole versions.
fn config_toml(connections: usize, cache: &Path) -> String {
    format!(
        "\
listen = \"127.0.0.1:0\"

[plugins.traveller]
component = \"live/traveller.wasm\"
grants = \"all\"

[plugins.traveller.rollback]
window = \"60s\"
faults_per_thousand = 0
min_clients = 1
clients_per_hundred = 0

[[routes]]
path = \"{PLUGIN_PATH}\"
plugin = \"traveller\"

[limits]
max_connections = {}

[cache]
folder = {:?}
",
        connections + 200,
        cache.display().to_string(),
    )
}

fn measure_under_load(
    arguments: &SwapArgs,
    isolation: BenchIsolation,
) -> anyhow::Result<UnderLoadResult> {
    let site = SwapHost::start(arguments, isolation, "course")?;
    let mut client = site.client_command("swap-course")?;
    client.arg("--log").arg(&site.log);
    let SwapArgs { connections, pace, rounds, churn, .. } = arguments;
    client.arg("--connections").arg(connections.to_string());
    client.arg("--pace").arg(pace.to_string());
    client.arg("--rounds").arg(rounds.to_string());
    client.arg("--churn").arg(churn.to_string());
    process::run_client(client)
}

fn measure_idle_swaps(arguments: &SwapArgs, isolation: BenchIsolation) -> anyhow::Result<Vec<f64>> {
    let site = SwapHost::start(arguments, isolation, "idle")?;
    let mut client = site.client_command("swap-idle")?;
    client.arg("--swaps").arg(IDLE_SWAPS.to_string());
    process::run_client(client)
}
