//! The process that has the connections and swaps the plugin under them.

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

/// Where the host is and what to do to it.
#[derive(Args)]
pub(crate) struct SwapCourseArgs {
    #[command(flatten)]
    target: SwapTarget,
    /// The host's log
    #[arg(long)]
    log: PathBuf,
    /// Connections, all open from the beginning to the end
    #[arg(long)]
    connections: usize,
    /// Milliseconds between two messages of a client
    #[arg(long)]
    pace: u64,
    /// How often all kinds of versions are gone through
    #[arg(long)]
    rounds: usize,
    /// Seconds of a file that changes ten times a second
    #[arg(long)]
    churn: u64,
}

/// What came of it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct UnderLoadResult {
    /// Connections, all open from the beginning to the end.
    pub(crate) connections: usize,
    /// Seconds that opening them took.
    pub(crate) opening: f64,
    /// How it is without swaps.
    pub(crate) quiet: BaselineMeasurement,
    /// Each change of the file.
    pub(crate) swaps: Vec<SwapMeasurement>,
    /// What swaps to good versions added to the round trips of messages on their way while
    /// consumers moved.
    pub(crate) pause: RoundTripQuantiles,
    /// The same from the file's change until the version is live, compilation included.
    pub(crate) disturbance: RoundTripQuantiles,
    /// A file that changes ten times a second.
    pub(crate) churn: Option<ChurnMeasurement>,
    /// Bytes the host had in memory before the first swap.
    pub(crate) memory_before: i64,
    /// The most it has had since.
    pub(crate) memory_peak: i64,
    /// Messages sent by clients, to their consumers and their groups.
    pub(crate) sent: u64,
    /// Messages they got.
    pub(crate) received: u64,
    /// How often there was what must not be.
    pub(crate) violated: u64,
    /// The first of it.
    pub(crate) violations: Vec<String>,
    /// Warnings in the host's log that are no verdicts.
    pub(crate) complaints: Vec<String>,
}

/// How it is without swaps.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct BaselineMeasurement {
    /// Messages from clients a second.
    pub(crate) sent: f64,
    /// Messages to clients a second.
    pub(crate) received: f64,
    /// Cores the host takes.
    pub(crate) host_cores: f64,
    /// Cores the clients take.
    pub(crate) client_cores: f64,
    /// Round trips.
    pub(crate) trips: RoundTripQuantiles,
}

/// What came of one change of the file. Times are in milliseconds.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SwapMeasurement {
    /// What was put there.
    pub(crate) kind: VersionKind,
    /// What the host made of it.
    pub(crate) verdict: String,
    /// From the file's change to the first new connection that the version answered.
    pub(crate) answered: Option<f64>,
    /// From the file's change to the verdict.
    pub(crate) decided: f64,
    /// From the host's noticing to the end of the trial.
    pub(crate) prepared: Option<f64>,
    /// From the publishing to the last consumer's move.
    pub(crate) moved: Option<f64>,
    /// Round trips of messages on their way while consumers moved, or until the verdict if none
    /// did.
    pub(crate) trips: RoundTripQuantiles,
    /// Events whose changes a roll-back undid, as the log says.
    pub(crate) undone: Option<u64>,
    /// The same as consumers' counts show it.
    pub(crate) undone_by_count: Option<u64>,
    /// The most memory the host had meanwhile, in bytes.
    pub(crate) memory: i64,
}

/// What came of a file that changes ten times a second.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ChurnMeasurement {
    /// How often it changed.
    pub(crate) changes: u64,
    /// Versions that became live.
    pub(crate) live: u64,
    /// Milliseconds from the last change until the last version was live.
    pub(crate) caught_up: f64,
    /// Round trips.
    pub(crate) trips: RoundTripQuantiles,
}

/// Opens the connections, swaps under them and says what they noticed.
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

/// Runs the clients on a thread of their own until the process ends; tells when all are open.
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
