//! The clients that put a load on a server. Each is a process of its own.

pub(crate) mod connects;
pub(crate) mod echo;
pub(crate) mod idle;
pub(crate) mod misbehaving;
pub(crate) mod paced;
pub(crate) mod room;

use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::ensure;
use clap::Args;
use serde::Serialize;

use crate::cpu::CpuTime;
use crate::measurement::{BenchMetric, LatencyQuantiles, Measurement};
use crate::process::{self, ServerProcess};

pub(crate) use echo::EchoLoad;

/// The host's default of `limits.max_connections`.
const DEFAULT_MAX_CONNECTIONS: usize = 10_000;

/// The time limit for opening the connections, and for the last replies.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(60);

/// The server that a client connects to.
#[derive(Debug, Clone, Args)]
pub(crate) struct TargetServer {
    /// Address of the server
    #[arg(long)]
    server: SocketAddr,
    /// Path of the service on the server
    #[arg(long)]
    path: String,
    /// Process id of the server
    #[arg(long)]
    pid: u32,
}

/// The server under load, and the duration of the load.
#[derive(Debug, Clone, Args)]
pub(crate) struct LoadTarget {
    #[command(flatten)]
    target_server: TargetServer,
    /// Milliseconds of load before the measurement
    #[arg(long)]
    warm_up: u64,
    /// Milliseconds of the measurement
    #[arg(long)]
    measure: u64,
}

/// The load that the clients create.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Load {
    /// Each connection sends the next text as soon as an echo arrives.
    Echo(EchoLoad),
    /// The clients send at a fixed rate and measure the latency of each echo.
    Paced {
        /// The number of connections.
        connections: usize,
        /// Length of a text in bytes.
        payload: usize,
        /// The rate of all clients, in messages per second.
        rate: u64,
    },
    /// One member of a room keeps `in_flight` texts in flight, and all members get each of them.
    Room {
        /// The number of members.
        members: usize,
        /// Length of a text in bytes.
        payload: usize,
        /// The number of texts in flight.
        in_flight: usize,
    },
    /// `at_once` clients open a connection, close it, and start again.
    Connects {
        /// The number of clients.
        at_once: usize,
    },
}

impl Load {
    /// The description of the load in the report.
    pub(crate) fn metrics(&self) -> &'static [BenchMetric] {
        match self {
            Self::Echo(_) | Self::Room { .. } | Self::Connects { .. } => {
                &[BenchMetric::Cpu, BenchMetric::Rate]
            }
            Self::Paced { .. } => {
                &[BenchMetric::P50, BenchMetric::P99, BenchMetric::P999, BenchMetric::Cpu]
            }
        }
    }

    /// The limit of connections that the server needs, unless its default is enough.
    pub(crate) fn max_connections(&self) -> Option<usize> {
        match self {
            Self::Echo(EchoLoad { connections, .. }) if *connections >= DEFAULT_MAX_CONNECTIONS => {
                Some(connections + 1_000)
            }
            _ => None,
        }
    }

    /// Puts this load on a server and returns the measurement.
    pub(crate) fn measure(
        &self,
        server: &ServerProcess,
        path: &str,
        warm_up: Duration,
        measure: Duration,
    ) -> anyhow::Result<Measurement> {
        let mut client = self.command()?;
        client.args(server.client_options()).args(["--path", path]);
        client.arg("--warm-up").arg(warm_up.as_millis().to_string());
        client.arg("--measure").arg(measure.as_millis().to_string());
        process::run_client(client)
    }

    fn command(&self) -> anyhow::Result<Command> {
        let (role, options) = match *self {
            Self::Echo(EchoLoad { connections, payload, in_flight }) => (
                "load",
                vec![
                    ("--connections", connections),
                    ("--payload", payload),
                    ("--in-flight", in_flight),
                ],
            ),
            Self::Paced { connections, payload, rate } => (
                "paced-load",
                vec![
                    ("--connections", connections),
                    ("--payload", payload),
                    ("--rate", usize::try_from(rate)?),
                ],
            ),
            Self::Room { members, payload, in_flight } => (
                "room-load",
                vec![("--members", members), ("--payload", payload), ("--in-flight", in_flight)],
            ),
            Self::Connects { at_once } => ("connects-load", vec![("--at-once", at_once)]),
        };
        let mut command = process::role_command(role)?;
        for (option, value) in options {
            command.arg(option).arg(value.to_string());
        }
        Ok(command)
    }
}

impl LoadTarget {
    /// Measures the server for the configured time. `count` returns the number of messages so far.
    async fn measure_count(&self, count: impl Fn() -> u64) -> anyhow::Result<Measurement> {
        tokio::time::sleep(Duration::from_millis(self.warm_up)).await;
        let (began, cpu, before) =
            (Instant::now(), CpuTime::of_process(self.target_server.pid)?, count());
        tokio::time::sleep(Duration::from_millis(self.measure)).await;
        let (elapsed, cpu) = (began.elapsed(), CpuTime::of_process(self.target_server.pid)? - cpu);
        let messages = count() - before;
        ensure!(messages > 0, "nothing came during the measurement");
        Ok(Measurement { messages, elapsed, cpu, latency: None })
    }

    fn total_duration(&self) -> Duration {
        Duration::from_millis(self.warm_up + self.measure)
    }
}

impl Measurement {
    fn with_latency(self, latency: Option<LatencyQuantiles>) -> Self {
        Self { latency, ..self }
    }
}
