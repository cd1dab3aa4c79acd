//! `make swap-bench`: a plugin swapped again and again under thousands of open connections.

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

/// What a run can be told.
#[derive(Args)]
pub(crate) struct SwapArgs {
    /// Connections of each isolation; the machine's limits on open files, ports and mappings
    /// decide how many there can be
    #[arg(long, default_value_t = 8_000)]
    connections: usize,
    /// Milliseconds between two messages of a client
    #[arg(long, default_value_t = DEFAULT_PACE_MILLIS)]
    pace: u64,
    /// How often all kinds of versions are gone through
    #[arg(long, default_value_t = 2)]
    rounds: usize,
    /// Seconds of a file that changes ten times a second
    #[arg(long, default_value_t = 60)]
    churn: u64,
    /// Only this isolation
    #[arg(long)]
    only: Option<BenchIsolation>,
    /// Where the host keeps compiled code; an empty folder of the run if not given
    #[arg(long)]
    cache: Option<PathBuf>,
    /// The host's program, if it does not lie beside this one
    #[arg(long)]
    narrowboat: Option<PathBuf>,
    /// The guest that is swapped
    #[arg(long, default_value = "target/narrowboat/traveller.wasm")]
    component: PathBuf,
    /// Where the figures go
    #[arg(long, default_value = "target/swap-bench.json")]
    json: PathBuf,
    /// Where configurations, components and logs go
    #[arg(long, default_value = "target/swap-bench")]
    folder: PathBuf,
}

/// Who shares an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum BenchIsolation {
    /// Nobody.
    Connection,
    /// All connections.
    Shared,
}

/// What one isolation showed.
#[derive(Serialize)]
pub(crate) struct IsolationResult {
    /// Which.
    pub(crate) isolation: BenchIsolation,
    /// Under load.
    pub(crate) course: UnderLoadResult,
    /// On an idle host: milliseconds from the file's change to the first answer by the new code.
    pub(crate) idle: Vec<f64>,
}

/// Milliseconds between two messages of a client.
const DEFAULT_PACE_MILLIS: u64 = 2_000;

/// Swaps on an idle host.
const IDLE_SWAPS: usize = 11;

/// The route of the plugin.
const PLUGIN_PATH: &str = "/traveller/";

/// Measures, prints, writes what was found, and fails if a connection noticed more than it may.
pub(crate) fn run(arguments: &SwapArgs) -> anyhow::Result<()> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let report = SwapReport { cores, outcomes: measure_isolations(arguments)? };
    output::print_report(&report);
    let json = serde_json::to_vec_pretty(&report)?;
    std::fs::write(&arguments.json, json).with_context(|| arguments.json.display().to_string())?;
    ensure!(report.violation_count() == 0, "connections noticed more than they may");
    Ok(())
}

/// The same in few rounds, as a part of another run.
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
    /// For people.
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

/// Where the host is and what to swap, for a client in a role of its own.
#[derive(Args)]
struct SwapTarget {
    /// Where the host listens
    #[arg(long)]
    server: SocketAddr,
    /// The host's process
    #[arg(long)]
    pid: u32,
    /// The route of the plugin
    #[arg(long)]
    path: String,
    /// The component to make versions of
    #[arg(long)]
    base: PathBuf,
    /// The file that the host watches
    #[arg(long)]
    file: PathBuf,
}

impl SwapTarget {
    fn version_builder(&self) -> anyhow::Result<VersionBuilder> {
        let base = std::fs::read(&self.base);
        VersionBuilder::new(base.with_context(|| self.base.display().to_string())?)
    }
}

/// A host and the files it was started with.
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
            "name = \"traveller\"\nisolation = \"{}\"\nasks = {{ groups = [\"*\"], log = true }}\n",
            isolation.name()
        );
        let component = component::replace_manifest(&component, &manifest)?;
        // In a folder of its own, where nothing but swaps happens.
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

    /// A client of this host in a role of its own.
    fn client_command(&self, role: &str) -> anyhow::Result<Command> {
        let mut client = process::role_command(role)?;
        client.args(self.server.client_options()).args(["--path", PLUGIN_PATH]);
        client.arg("--base").arg(&self.base).arg("--file").arg(&self.file);
        client.stderr(Stdio::inherit());
        Ok(client)
    }
}

/// Room for the connections and for new ones beside them. A single trap takes a version back, so
/// that its instances go back both one by one and together.
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
