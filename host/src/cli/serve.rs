//! `narrowboat serve`

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use tokio::net::{TcpListener, TcpSocket};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::EnvFilter;

use super::{Failure, ServeArgs};
use crate::config::{Config, RouteConfig};
use crate::plugin::Plugin;
use crate::server::{self, Host, HostError, preflight};

/// Threads beyond one a core, which go on with sockets while a guest overruns on another.
const SPARE_WORKERS: usize = 2;

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 4_096;

/// The exit code of a program that SIGINT ended, by the shells' convention.
const INTERRUPTED: i32 = 130;

/// How long calls on guest threads may still take when all else has ended.
const LAST_CALLS: Duration = Duration::from_secs(1);

pub(super) fn run(arguments: &ServeArgs) -> Result<(), Failure> {
    let filter = EnvFilter::try_from_env("NARROWBOAT_LOG").unwrap_or_else(|_| "info".into());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
    let mut config = Config::load(&arguments.config).map_err(Failure::usage)?;
    if let Some(listen) = arguments.listen {
        config.listen = listen;
    }
    for warning in preflight(&config.limits) {
        tracing::warn!("{warning}");
    }
    if config.routes.is_empty() {
        tracing::warn!("no routes: every request is answered 404");
    }
    let routed: Vec<_> = config.routes.iter().map(|route| &route.plugin).collect();
    for name in config.plugins.keys().filter(|name| !routed.contains(name)) {
        tracing::warn!("no route leads to the plugin {name:?}");
    }
    let (listen, routes) = (config.listen, config.routes.clone());
    let host =
        Host::load(config, |plugin| println!("{}", ready(plugin))).map_err(
            |error| match error {
                HostError::Load(error) => Failure::usage(error),
                HostError::Build { ref source, .. } if source.is_about_the_manifest() => {
                    Failure::usage(error)
                }
                error => Failure::at_run_time(error),
            },
        )?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cores + SPARE_WORKERS)
        .enable_all()
        .build()
        .map_err(Failure::at_run_time)?;
    let served = runtime.block_on(serve(listen, &routes, host));
    runtime.shutdown_timeout(LAST_CALLS);
    served.map_err(Failure::at_run_time)
}

async fn serve(listen: SocketAddr, routes: &[RouteConfig], host: Host) -> anyhow::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let terminate = signal(SignalKind::terminate())?;
    let listener = bind(listen)?;
    let address = listener.local_addr()?;
    for route in routes {
        println!("route  {} -> {}", route.pattern.source(), route.plugin);
    }
    println!("listening on ws://{address}");
    let stopping = std::sync::Arc::new(tokio::sync::Notify::new());
    let told = std::sync::Arc::clone(&stopping);
    tokio::spawn(async move {
        signalled(&mut interrupt, terminate).await;
        eprintln!("stopping; once more to leave at once");
        told.notify_one();
        interrupt.recv().await;
        std::process::exit(INTERRUPTED);
    });
    server::serve(listener, host, stopping.notified()).await;
    Ok(())
}

async fn signalled(interrupt: &mut Signal, mut terminate: Signal) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

fn bind(listen: SocketAddr) -> anyhow::Result<TcpListener> {
    let socket = if listen.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(listen).with_context(|| {
        format!("cannot listen on {listen}; --listen 127.0.0.1:0 takes a free port")
    })?;
    socket.listen(BACKLOG).with_context(|| {
        format!("cannot listen on {listen}; --listen 127.0.0.1:0 takes a free port")
    })
}

fn ready(plugin: &Plugin) -> String {
    let isolation = format!("{:?}", plugin.isolation).to_lowercase();
    format!("plugin {}  {}  isolation {isolation}", plugin.name, plugin.live().digest().short())
}
