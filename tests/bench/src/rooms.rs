//! `make room-bench`: rooms that sleep, are awake and wake, and connections that hibernate.

mod room_clients;
mod room_host;
mod room_report;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::Args;

use crate::cpu::CpuTime;
use crate::file_limit::raise_file_limit;
use crate::memory::anonymous_bytes;
use crate::output;
use room_clients::{RoomSocket, Spreading, find_quantiles};
use room_host::{HostKind, RoomHost};
use room_report::{RoomReport, RoomRow};

/// Clients that talk at a time.
const ACTIVE_CLIENTS: usize = 100;

/// Visitors of each room that is awake.
const VISITORS: usize = 10;

/// The state of a room that wakes, in bytes.
const STATE_BYTES: usize = 10 * 1024;

/// Rooms that wake, and connections that end their hibernation, for the quantiles of their times.
const SAMPLES: usize = 2_000;

/// Connections that are opened together, and hibernate before further ones are opened.
const HIBERNATION_GROUP: usize = 1_000;

/// The time for which echoes are measured.
const ECHO_TIME: Duration = Duration::from_secs(10);

/// The pause before the memory of the host is read.
const SETTLE_TIME: Duration = Duration::from_secs(3);

/// The options of a run.
#[derive(Args)]
pub(crate) struct RoomsArgs {
    /// Number of rooms that exist and sleep
    #[arg(long, default_value_t = 100_000)]
    sleeping: usize,
    /// Number of rooms that are awake, with ten visitors each
    #[arg(long, default_value_t = 1_500)]
    awake: usize,
    /// Number of connections that hibernate
    #[arg(long, default_value_t = 15_000)]
    hibernated: usize,
    /// The host's program, if it is not next to this one
    #[arg(long)]
    narrowboat: Option<PathBuf>,
    /// The component of the guest with rooms
    #[arg(long, default_value = "target/narrowboat/rooms.wasm")]
    component: PathBuf,
    /// The folder for configurations, states and logs
    #[arg(long, default_value = "target/room-bench")]
    folder: PathBuf,
}

/// Measures, and prints the report.
pub(crate) fn run(arguments: &RoomsArgs) -> anyhow::Result<()> {
    raise_file_limit();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut report = RoomReport::default();
    runtime.block_on(async {
        output::print_progress("echoes in one shared instance and in rooms");
        let shared = measure_echoes(arguments, HostKind::Shared).await?;
        let rooms = measure_echoes(arguments, HostKind::Rooms { idle: "1h" }).await?;
        report.push(RoomRow::figure("echo, shared instance, CPU a message", "µs", shared));
        report.push(RoomRow::figure("echo, rooms with ten visitors, CPU a message", "µs", rooms));
        report.push(RoomRow::aim("rooms beside the shared instance", "", rooms / shared, 1.2));
        output::print_progress("waking rooms");
        report.extend(measure_waking(arguments).await?);
        output::print_progress("sleeping rooms");
        report.extend(measure_sleeping(arguments).await?);
        output::print_progress("hibernated connections");
        report.extend(measure_hibernation(arguments).await?);
        anyhow::Ok(())
    })?;
    output::print_report(&report);
    Ok(())
}

/// The CPU time of the host for an echo, in microseconds, while all rooms are awake.
async fn measure_echoes(arguments: &RoomsArgs, kind: HostKind) -> anyhow::Result<f64> {
    let host = RoomHost::start(arguments, kind)?;
    let count = arguments.awake * VISITORS;
    let path = |number: usize| format!("/rooms/r{}/", number / VISITORS);
    let mut sockets = RoomSocket::open_all(host.address(), count, path).await?;
    let before = (CpuTime::of_process(host.pid())?, std::time::Instant::now());
    let messages = Spreading::new(ACTIVE_CLIENTS).talk(&mut sockets, ECHO_TIME).await?;
    anyhow::ensure!(before.1.elapsed() >= ECHO_TIME, "the echoes ended early");
    let cpu = CpuTime::of_process(host.pid())? - before.0;
    Ok(cpu.total().as_secs_f64() * 1e6 / messages as f64)
}

/// The times of handshakes in rooms that sleep, with a state on the disk, and in rooms that are awake.
async fn measure_waking(arguments: &RoomsArgs) -> anyhow::Result<Vec<RoomRow>> {
    let host = RoomHost::start(arguments, HostKind::Rooms { idle: "100ms" })?;
    let path = |number: usize| format!("/rooms/r{number}/");
    let fill = format!("pad {STATE_BYTES}");
    for number in 0..SAMPLES {
        let mut socket = RoomSocket::open(host.address(), number, &path(number)).await?;
        socket.ask(&fill).await?;
        socket.close().await?;
    }
    tokio::time::sleep(SETTLE_TIME).await;
    let mut waking = Vec::new();
    let mut entering = Vec::new();
    for number in 0..SAMPLES {
        let began = std::time::Instant::now();
        let first = RoomSocket::open(host.address(), number, &path(number)).await?;
        waking.push(began.elapsed());
        let began = std::time::Instant::now();
        let second = RoomSocket::open(host.address(), number, &path(number)).await?;
        entering.push(began.elapsed());
        first.close().await?;
        second.close().await?;
    }
    let (waking, entering) = (find_quantiles(waking), find_quantiles(entering));
    Ok(vec![
        RoomRow::aim(
            "a handshake that wakes a room with 10 KiB of state, p50",
            "ms",
            waking.p50,
            2.0,
        ),
        RoomRow::figure("the same, p99", "ms", waking.p99),
        RoomRow::figure("a handshake in a room that is awake, p50", "ms", entering.p50),
        RoomRow::figure("the same, p99", "ms", entering.p99),
    ])
}

/// The memory of the host for each room that exists and sleeps.
async fn measure_sleeping(arguments: &RoomsArgs) -> anyhow::Result<Vec<RoomRow>> {
    let host = RoomHost::start(arguments, HostKind::Rooms { idle: "0s" })?;
    let path = |number: usize| format!("/rooms/r{number}/");
    visit_and_leave(&host, 0..1_000, path).await?;
    let before = anonymous_bytes(host.pid())?;
    visit_and_leave(&host, 1_000..1_000 + arguments.sleeping, path).await?;
    let growth = anonymous_bytes(host.pid())? - before;
    let each = growth as f64 / arguments.sleeping as f64;
    let stored = host.stored_bytes()? as f64 / arguments.sleeping as f64;
    Ok(vec![
        RoomRow::aim("memory of a room that sleeps", "B", each, 1_024.0),
        RoomRow::figure("its part of the file of the store", "B", stored),
    ])
}

async fn visit_and_leave(
    host: &RoomHost,
    numbers: std::ops::Range<usize>,
    path: impl Fn(usize) -> String + Copy,
) -> anyhow::Result<()> {
    let mut numbers = numbers.peekable();
    while numbers.peek().is_some() {
        let some: Vec<_> = numbers.by_ref().take(ACTIVE_CLIENTS).collect();
        let visits = some.into_iter().map(|number| async move {
            let mut socket = RoomSocket::open(host.address(), number, &path(number)).await?;
            socket.ask("add").await?;
            socket.close().await
        });
        futures_util::future::try_join_all(visits).await?;
    }
    tokio::time::sleep(SETTLE_TIME).await;
    Ok(())
}

/// The memory of the host for each connection that hibernates, and the time of an event that ends the hibernation.
async fn measure_hibernation(arguments: &RoomsArgs) -> anyhow::Result<Vec<RoomRow>> {
    let (at_once, ..) = open_hibernating(arguments, arguments.hibernated).await?;
    let (each, mut sockets, _host) = open_hibernating(arguments, HIBERNATION_GROUP).await?;
    let mut waking = Vec::new();
    for socket in sockets.iter_mut().take(SAMPLES) {
        let began = std::time::Instant::now();
        socket.ask("get").await?;
        waking.push(began.elapsed());
    }
    let last = sockets.last_mut().context("no connections")?;
    let mut awake = Vec::new();
    for _ in 0..SAMPLES {
        let began = std::time::Instant::now();
        last.ask("get").await?;
        awake.push(began.elapsed());
    }
    let (waking, awake) = (find_quantiles(waking), find_quantiles(awake));
    Ok(vec![
        RoomRow::aim("memory of a connection that hibernates", "KiB", each, 8.0),
        RoomRow::figure("the same, if all were awake at one time", "KiB", at_once),
        RoomRow::figure("an event that ends the hibernation, p50", "ms", waking.p50),
        RoomRow::aim("the same, p99", "ms", waking.p99, 1.0),
        RoomRow::figure("an event of a connection that is awake, p50", "ms", awake.p50),
    ])
}

/// Opens the connections in groups, of which each hibernates before the next one is opened. Returns the memory of the host for
/// each of them in KiB, and the connections with their host.
async fn open_hibernating(
    arguments: &RoomsArgs,
    group: usize,
) -> anyhow::Result<(f64, Vec<RoomSocket>, RoomHost)> {
    let host = RoomHost::start(arguments, HostKind::Hibernating)?;
    let path = |_: usize| "/rooms/red/".to_owned();
    let _first = RoomSocket::open_all(host.address(), 100, path).await?;
    tokio::time::sleep(2 * SETTLE_TIME).await;
    let before = anonymous_bytes(host.pid())?;
    let mut sockets = Vec::with_capacity(arguments.hibernated);
    while sockets.len() < arguments.hibernated {
        let count = group.min(arguments.hibernated - sockets.len());
        sockets.append(&mut RoomSocket::open_all(host.address(), count, path).await?);
        tokio::time::sleep(SETTLE_TIME).await;
    }
    tokio::time::sleep(4 * SETTLE_TIME).await;
    let growth = anonymous_bytes(host.pid())? - before;
    let each = growth as f64 / arguments.hibernated as f64 / 1_024.0;
    Ok((each, sockets, host))
}
