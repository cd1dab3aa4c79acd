//! The clients under whose loads servers are measured, each a process of its own.

pub(crate) mod connects;
pub(crate) mod echo;
pub(crate) mod idle;
pub(crate) mod paced;
pub(crate) mod room;
pub(crate) mod rude;

use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::ensure;
use clap::Args;
use serde::Serialize;

use crate::cpu::CpuTime;
use crate::measured::{Figure, Latency, Measured};
use crate::process::{self, Server};

pub(crate) use echo::Shape;

/// How long opening the connections, and the last answers, may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server.
#[derive(Debug, Clone, Args)]
pub(crate) struct Whom {
    /// Where the server listens
    #[arg(long)]
    server: SocketAddr,
    /// The path that does there what is asked for
    #[arg(long)]
    path: String,
    /// The server's process
    #[arg(long)]
    pid: u32,
}

/// Whom to load, and for how long.
#[derive(Debug, Clone, Args)]
pub(crate) struct Target {
    #[command(flatten)]
    whom: Whom,
    /// Milliseconds of load before the measurement
    #[arg(long)]
    warm_up: u64,
    /// Milliseconds of the measurement
    #[arg(long)]
    measure: u64,
}

/// What clients do.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Load {
    /// As many echoes as there is time for.
    Echo(Shape),
    /// So many echoes a second over so many connections, and how long each takes.
    Paced {
        /// Connections.
        connections: usize,
        /// Length of a text in bytes.
        payload: usize,
        /// Messages a second.
        rate: u64,
    },
    /// One member of a room keeps so many texts on their way, and all get each.
    Room {
        /// Members.
        members: usize,
        /// Length of a text in bytes.
        payload: usize,
        /// Texts on their way.
        in_flight: usize,
    },
    /// So many at a time who open a connection and close it.
    Connects {
        /// At a time.
        at_once: usize,
    },
}

impl Load {
    /// What is told of it.
    pub(crate) fn figures(&self) -> &'static [Figure] {
        match self {
            Self::Echo(_) | Self::Room { .. } | Self::Connects { .. } => {
                &[Figure::Cpu, Figure::Rate]
            }
            Self::Paced { .. } => &[Figure::P50, Figure::P99, Figure::P999, Figure::Cpu],
        }
    }

    /// Puts it on a server.
    pub(crate) fn measure(
        &self,
        server: &Server,
        path: &str,
        warm_up: Duration,
        measure: Duration,
    ) -> anyhow::Result<Measured> {
        let mut client = self.command()?;
        client.args(server.options()).args(["--path", path]);
        client.arg("--warm-up").arg(warm_up.as_millis().to_string());
        client.arg("--measure").arg(measure.as_millis().to_string());
        process::ask(client)
    }

    fn command(&self) -> anyhow::Result<Command> {
        let (role, options) = match *self {
            Self::Echo(Shape { connections, payload, in_flight }) => (
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
        let mut command = process::role(role)?;
        for (option, value) in options {
            command.arg(option).arg(value.to_string());
        }
        Ok(command)
    }
}

impl Target {
    /// Watches the server for the time of the measurement, counting by `count`.
    async fn watch(&self, count: impl Fn() -> u64) -> anyhow::Result<Measured> {
        tokio::time::sleep(Duration::from_millis(self.warm_up)).await;
        let (began, cpu, before) = (Instant::now(), CpuTime::of(self.whom.pid)?, count());
        tokio::time::sleep(Duration::from_millis(self.measure)).await;
        let (elapsed, cpu) = (began.elapsed(), CpuTime::of(self.whom.pid)? - cpu);
        let messages = count() - before;
        ensure!(messages > 0, "nothing came during the measurement");
        Ok(Measured { messages, elapsed, cpu, latency: None })
    }

    fn duration(&self) -> Duration {
        Duration::from_millis(self.warm_up + self.measure)
    }
}

impl Measured {
    fn with_latency(self, latency: Option<Latency>) -> Self {
        Self { latency, ..self }
    }
}
