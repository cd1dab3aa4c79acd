//! The process that opens the connections and swaps the plugin under them.

mod checks;
mod swap_driver;

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use super::SwapTarget;
use super::clients::SwapClients;
use super::clock::BenchClock;
use super::delivery_tracker::DeliveryTracker;
use super::round_trips::RoundTripQuantiles;
use super::version::VersionKind;
use crate::file_limit::raise_file_limit;
use swap_driver::SwapDriver;

/// The arguments of the client under load.
#[derive(Args)]
pub(crate) struct SwapCourseArgs {
    #[command(flatten)]
    target: SwapTarget,
    /// The host's log
    #[arg(long)]
    log: PathBuf,
    /// Number of connections, which stay open for the whole run
    #[arg(long)]
    connections: usize,
    /// Milliseconds between two messages of a client
    #[arg(long)]
    pace: u64,
    /// Number of rounds through all kinds of versions
    #[arg(long)]
    rounds: usize,
    /// Seconds during which the file changes ten times per second
    #[arg(long)]
    churn: u64,
}

/// The results under load.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct UnderLoadResult {
    /// The number of connections, which stay open for the whole run.
    pub(crate) connections: usize,
    /// The time to open them, in seconds.
    pub(crate) opening: f64,
    /// The measurement without swaps.
    pub(crate) quiet: BaselineMeasurement,
    /// The result of each change of the file.
    pub(crate) swaps: Vec<SwapMeasurement>,
    /// The time that swaps to good versions added to the round trips of messages in flight while consumers moved.
    pub(crate) pause: RoundTripQuantiles,
    /// The same, from the file's change until the version is live, including compilation.
    pub(crate) disturbance: RoundTripQuantiles,
    /// The result of a file that changes ten times per second.
    pub(crate) churn: Option<ChurnMeasurement>,
    /// The resident memory of the host before the first swap, in bytes.
    pub(crate) memory_before: i64,
    /// The peak of the resident memory since, in bytes.
    pub(crate) memory_peak: i64,
    /// The number of messages that clients sent to consumers and groups.
    pub(crate) sent: u64,
    /// The number of messages that clients got.
    pub(crate) received: u64,
    /// The number of violations.
    pub(crate) violated: u64,
    /// The first violations.
    pub(crate) violations: Vec<String>,
    /// Warnings in the host's log other than verdicts.
    pub(crate) complaints: Vec<String>,
}

/// The measurement without swaps.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct BaselineMeasurement {
    /// Messages from clients per second.
    pub(crate) sent: f64,
    /// Messages to clients per second.
    pub(crate) received: f64,
    /// The CPU use of the host, in cores.
    pub(crate) host_cores: f64,
    /// The CPU use of the clients, in cores.
    pub(crate) client_cores: f64,
    /// The latency of round trips.
    pub(crate) trips: RoundTripQuantiles,
}

/// The result of one change of the file. Times are in milliseconds.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SwapMeasurement {
    /// The kind of the new version.
    pub(crate) kind: VersionKind,
    /// The verdict of the host.
    pub(crate) verdict: String,
    /// The time from the file's change to the first new connection that got the version.
    pub(crate) answered: Option<f64>,
    /// The time from the file's change to the verdict.
    pub(crate) decided: f64,
    /// The time from the start of the deploy to the end of the trial.
    pub(crate) prepared: Option<f64>,
    /// The time from the switch to the new version to the last consumer's move.
    pub(crate) moved: Option<f64>,
    /// The round trips of messages in flight while consumers moved, or until the verdict if none moved.
    pub(crate) trips: RoundTripQuantiles,
    /// The number of events that a rollback undid, according to the log.
    pub(crate) undone: Option<u64>,
    /// The number of events that a rollback undid, according to the consumers' counts.
    pub(crate) undone_by_count: Option<u64>,
    /// The peak of the host's resident memory meanwhile, in bytes.
    pub(crate) memory: i64,
}

/// The result of a file that changes ten times per second.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ChurnMeasurement {
    /// The number of changes.
    pub(crate) changes: u64,
    /// The number of versions that became live.
    pub(crate) live: u64,
    /// The time from the last change until the last version was live, in milliseconds.
    pub(crate) caught_up: f64,
    /// The latency of round trips.
    pub(crate) trips: RoundTripQuantiles,
}

/// Opens the connections, swaps the plugin under them, and returns the results.
pub(crate) fn run(arguments: &SwapCourseArgs) -> anyhow::Result<UnderLoadResult> {
    raise_file_limit();
    let pace = Duration::from_millis(arguments.pace);
    let clients = Arc::new(SwapClients {
        server: arguments.target.server,
        path: arguments.target.path.clone(),
        message_interval: pace,
        group_message_interval: pace * 8,
        clock: BenchClock::start(),
        tracker: Mutex::new(DeliveryTracker::new(arguments.connections)),
        is_stopped: AtomicBool::new(false),
    });
    let opened = spawn_clients(&clients, arguments.connections);
    opened.recv().context("the clients' thread is gone")??;
    let opening = clients.clock.now().as_secs_f64();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async { SwapDriver::new(arguments, clients)?.run(opening).await })
}

/// Runs the clients on a thread of their own until the process ends. Sends a message when all connections are open.
fn spawn_clients(clients: &Arc<SwapClients>, count: usize) -> mpsc::Receiver<anyhow::Result<()>> {
    let (tell, opened) = mpsc::channel();
    let clients = Arc::clone(clients);
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let all = async {
            let sockets = clients.open_connections(count).await?;
            let mut all = JoinSet::new();
            for (client, socket) in sockets.into_iter().enumerate() {
                all.spawn(Arc::clone(&clients).run_client(client, socket));
            }
            let _ = tell.send(Ok(()));
            while all.join_next().await.is_some() {}
            Ok(())
        };
        let ended = runtime.context("no runtime").and_then(|runtime| runtime.block_on(all));
        if let Err(error) = ended {
            let _ = tell.send(Err(error));
        }
    });
    opened
}
