//! `narrowboat serve`

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::net::{TcpListener, TcpSocket};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;

use super::Failure;
use super::arguments::ServeArgs;
use super::log::Log;
use crate::config::{AdminConfig, Config, TenantConfig};
use crate::journal::Journal;
use crate::name::Tenant;
use crate::plugin::Plugin;
use crate::server::{self, AdminPort, Host, HostError, preflight};

/// Threads beyond one a core, which go on with sockets while a guest overruns on another.
const SPARE_WORKERS: usize = 2;

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 4_096;

/// The exit code of a program that SIGINT ended, by the shells' convention.
const INTERRUPTED: i32 = 130;

/// How long calls on guest threads may still take when all else has ended.
const LAST_CALLS: Duration = Duration::from_secs(1);

pub(super) fn run(arguments: &ServeArgs) -> Result<(), Failure> {
    let (config, log) = configuration(&arguments.config, arguments.listen)?;
    let served = Served::of(&config, log.journal.clone());
    let host = Host::load(config, |plugin| println!("{}", ready(plugin))).map_err(failure)?;
    in_runtime(async {
        let stopping = signals().map_err(Failure::at_run_time)?;
        serve(&served, host, stopping.notified()).await.map_err(Failure::at_run_time)
    })
}

/// Reads the configuration, starts the log, and warns of what the one leads to.
pub(super) fn configuration(
    file: &Path,
    listen: Option<SocketAddr>,
) -> Result<(Config, Log), Failure> {
    let mut config = Config::load(file).map_err(Failure::usage)?;
    let log = Log::start("info", config.traces.as_ref()).map_err(Failure::at_run_time)?;
    if let Some(listen) = listen {
        config.listen = listen;
    }
    for warning in preflight(&config.limits) {
        tracing::warn!("{warning}");
    }
    if !config.listen.ip().is_loopback() && config.allowed.origins.is_none() {
        tracing::warn!(
            "pages of any site may open WebSockets here with what their visitors' browsers know; name those that \
             may in allowed_origins, or \"*\""
        );
    }
    if config.tenants.values().all(|own| own.routes.is_empty() && own.workers.is_empty()) {
        tracing::warn!("no routes: every request is answered 404");
    }
    for (tenant, own) in &config.tenants {
        for (name, _) in own.plugins.iter().filter(|(_, plugin)| plugin.uses.is_empty()) {
            let name = tenant.label(name);
            tracing::warn!("no route leads to the plugin {name:?}, and no worker is bound to it");
        }
    }
    Ok((config, log))
}

/// What is said of a host that serves.
pub(super) struct Served {
    listen: SocketAddr,
    secure: bool,
    admin: Option<AdminConfig>,
    tenants: BTreeMap<Tenant, TenantConfig>,
    journal: Journal,
}

impl Served {
    pub(super) fn of(config: &Config, journal: Journal) -> Self {
        Self {
            listen: config.listen,
            secure: config.tls.is_some(),
            admin: config.admin.clone(),
            tenants: config.tenants.clone(),
            journal,
        }
    }
}

/// Whose failure it is that there is no host.
pub(super) fn failure(error: HostError) -> Failure {
    match error {
        HostError::Load(error) => Failure::usage(error),
        error @ (HostError::Tls(_)
        | HostError::Users(_)
        | HostError::Token(_)
        | HostError::Signers(_)) => Failure::usage(error),
        HostError::Build { ref source, .. } if source.is_about_the_manifest() => {
            Failure::usage(error)
        }
        error => Failure::at_run_time(error),
    }
}

/// Runs a future to its end on a runtime of its own.
pub(super) fn in_runtime(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cores + SPARE_WORKERS)
        .enable_all()
        .build()
        .map_err(Failure::at_run_time)?;
    let result = runtime.block_on(work);
    runtime.shutdown_timeout(LAST_CALLS);
    result
}

/// Serves until `shutdown` resolves.
pub(super) async fn serve(
    served: &Served,
    host: Host,
    shutdown: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let listener = bind(served.listen, "--listen 127.0.0.1:0 takes a free port")?;
    let address = listener.local_addr()?;
    for (tenant, own) in &served.tenants {
        let path = own.entrance.path.as_deref().unwrap_or_default();
        for route in &own.routes {
            let plugin = tenant.label(&route.plugin);
            println!("route  {path}{} -> {plugin}", route.pattern.source());
        }
        for worker in &own.workers {
            println!("worker {} -> {}", worker.channel, tenant.label(&worker.plugin));
        }
    }
    let admin = match &served.admin {
        Some(config) => {
            let listener = bind(config.listen, "[admin] listen may be another")?;
            let address = listener.local_addr()?;
            let port = AdminPort::open(listener, config, served.journal.clone())?;
            println!(
                "admin on http://{address}, with the token in {}",
                config.token_file.display()
            );
            Some(port)
        }
        None => None,
    };
    println!("listening on {}://{address}", if served.secure { "wss" } else { "ws" });
    server::serve(listener, admin, host, shutdown, reread()?).await;
    Ok(())
}

/// Is told of the first ctrl-c or SIGTERM; a further ctrl-c ends the process.
pub(super) fn signals() -> std::io::Result<Arc<Notify>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let terminate = signal(SignalKind::terminate())?;
    let stopping = Arc::new(Notify::new());
    let told = Arc::clone(&stopping);
    tokio::spawn(async move {
        signalled(&mut interrupt, terminate).await;
        eprintln!("stopping; once more to leave at once");
        told.notify_one();
        interrupt.recv().await;
        std::process::exit(INTERRUPTED);
    });
    Ok(stopping)
}

/// Is told of each SIGHUP.
fn reread() -> std::io::Result<Arc<Notify>> {
    let mut hangup = signal(SignalKind::hangup())?;
    let asked = Arc::new(Notify::new());
    let told = Arc::clone(&asked);
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            told.notify_one();
        }
    });
    Ok(asked)
}

async fn signalled(interrupt: &mut Signal, mut terminate: Signal) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

fn bind(listen: SocketAddr, otherwise: &str) -> anyhow::Result<TcpListener> {
    let socket = if listen.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(listen).with_context(|| format!("cannot listen on {listen}; {otherwise}"))?;
    socket.listen(BACKLOG).with_context(|| format!("cannot listen on {listen}; {otherwise}"))
}

pub(super) fn ready(plugin: &Plugin) -> String {
    let isolation = format!("{:?}", plugin.isolation).to_lowercase();
    format!("plugin {}  {}  isolation {isolation}", plugin.label, plugin.live().digest().short())
}
