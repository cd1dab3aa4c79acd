//! `narrowboat serve`

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::Notify;

use super::Failure;
use super::arguments::ServeArgs;
use super::log::Log;
use super::output::Console;
use super::signals::Signals;
use narrowboat_config::{AdminConfig, Config, ListenAddress, TenantConfig};
use narrowboat_core::name::Tenant;
use narrowboat_runtime::Plugin;
use narrowboat_server::journal::Journal;
use narrowboat_server::{self as server, AdminPort, Host, HostError, preflight};

/// Threads beyond one a core, which go on with sockets while a guest overruns on another.
const SPARE_WORKERS: usize = 2;

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 4_096;

/// How long calls on guest threads may still take when all else has ended.
const LAST_CALLS: Duration = Duration::from_secs(1);

pub(super) fn run(arguments: &ServeArgs) -> Result<(), Failure> {
    let console = Console::start()?;
    let _flushed = console.flush_at_end();
    in_runtime(to_the_end(&console, async |log| load_and_serve(arguments, &console, log).await))
}

/// Tells the failure of what is done, sends the last traces and writes the last lines while the runtime still answers a
/// further ctrl-c. It blocks its thread, on which nothing else runs.
pub(super) async fn to_the_end(
    console: &Console,
    work: impl AsyncFnOnce(&mut Option<Log>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut log = None;
    let result = work(&mut log).await;
    drop(log);
    console.finish(result)
}

/// Leaves the log in `log`, which outlives what is served.
async fn load_and_serve(
    arguments: &ServeArgs,
    console: &Console,
    log: &mut Option<Log>,
) -> Result<(), Failure> {
    let signals = Signals::listen(console).map_err(Failure::at_run_time)?;
    let (config, started) = configuration(&arguments.config, arguments.listen.clone(), console)?;
    let served = Served::of(&config, log.insert(started).journal.clone());
    let tell = console.clone();
    let load = move || Host::load(config, |plugin| tell.print_line(ready(plugin)));
    let host = tokio::select! {
        loaded = tokio::task::spawn_blocking(load) => {
            loaded.map_err(Failure::at_run_time)?.map_err(failure)?
        }
        () = signals.stopping.notified() => return Ok(()),
    };
    let stopped = signals.stopping.notified();
    serve(&served, host, stopped, signals.reread, console).await.map_err(Failure::at_run_time)
}

/// Reads the configuration, starts the log, and warns of what the one leads to.
pub(super) fn configuration(
    file: &Path,
    listen: Option<ListenAddress>,
    console: &Console,
) -> Result<(Config, Log), Failure> {
    let mut config = Config::load(file).map_err(Failure::usage)?;
    if let Some(listen) = listen {
        config.listen = listen;
    }
    let address = resolved(&mut config.listen, "listen")?;
    if let Some(admin) = &mut config.admin {
        resolved(&mut admin.listen, "admin.listen")?;
    }
    let log = Log::start("info", config.traces.as_ref(), console.stderr().clone());
    let log = log.map_err(Failure::at_run_time)?;
    for warning in preflight(&config.limits) {
        tracing::warn!("{warning}");
    }
    if !address.ip().is_loopback() && config.allowed.origins.is_none() {
        tracing::warn!(
            "pages of any site may open WebSockets here with what their visitors' browsers know; name those that \
             may in allowed_origins, or \"*\""
        );
    }
    for remark in config.remarks() {
        tracing::warn!("{remark}");
    }
    Ok((config, log))
}

/// Looks a name up that is to be listened on, once for all.
fn resolved(listen: &mut ListenAddress, key: &str) -> Result<SocketAddr, Failure> {
    let address = listen.resolve().map_err(|error| Failure::usage(anyhow!("{key}: {error}")))?;
    *listen = address.into();
    Ok(address)
}

/// What is said of a host that serves.
pub(super) struct Served {
    listen: ListenAddress,
    secure: bool,
    admin: Option<AdminConfig>,
    tenants: BTreeMap<Tenant, TenantConfig>,
    journal: Journal,
}

impl Served {
    pub(super) fn of(config: &Config, journal: Journal) -> Self {
        Self {
            listen: config.listen.clone(),
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
    reread: Arc<Notify>,
    console: &Console,
) -> anyhow::Result<()> {
    let listener = bind(&served.listen, "--listen 127.0.0.1:0 takes a free port")?;
    let address = listener.local_addr()?;
    for (tenant, own) in &served.tenants {
        let path = own.entrance.path.as_deref().unwrap_or_default();
        for route in &own.routes {
            let plugin = tenant.label(&route.plugin);
            let source = route.pattern.source();
            console.print_line(format_args!("route  {path}{source} -> {plugin}"));
        }
        for worker in &own.workers {
            let plugin = tenant.label(&worker.plugin);
            console.print_line(format_args!("worker {} -> {plugin}", worker.channel));
        }
    }
    let admin = match &served.admin {
        Some(config) => {
            let listener = bind(&config.listen, "[admin] listen may be another")?;
            let address = listener.local_addr()?;
            let streams = vec![console.stdout().clone(), console.stderr().clone()];
            let port = AdminPort::open(listener, config, served.journal.clone(), streams)?;
            let file = config.token_file.display();
            console.print_line(format_args!("admin on http://{address}, with the token in {file}"));
            Some(port)
        }
        None => None,
    };
    let scheme = if served.secure { "wss" } else { "ws" };
    console.print_line(format_args!("listening on {scheme}://{address}"));
    server::serve(listener, admin, host, shutdown, reread).await;
    Ok(())
}

fn bind(listen: &ListenAddress, otherwise: &str) -> anyhow::Result<TcpListener> {
    let listen = listen.resolve().map_err(anyhow::Error::msg)?;
    let socket = if listen.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(listen).with_context(|| format!("cannot listen on {listen}; {otherwise}"))?;
    socket.listen(BACKLOG).with_context(|| format!("cannot listen on {listen}; {otherwise}"))
}

pub(super) fn ready(plugin: &Plugin) -> String {
    let isolation = format!("{:?}", plugin.isolation).to_lowercase();
    format!("plugin {}  {}  isolation {isolation}", plugin.label, plugin.live().digest().short())
}
