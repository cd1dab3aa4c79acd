//! `narrowboat serve`

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::Notify;

use super::arguments::ServeArgs;
use super::cli_error::CliError;
use super::compile_component;
use super::output::Console;
use super::runtimes::language_runtimes;
use super::signals::Signals;
use super::telemetry::Telemetry;
use narrowboat_config::{AdminConfig, Config, ListenAddress, TenantConfig};
use narrowboat_core::name::Tenant;
use narrowboat_runtime::Plugin;
use narrowboat_server::log_buffer::LogBuffer;
use narrowboat_server::{self as server, AdminServer, Host, HostError, HostMode, preflight};

/// Threads beyond one for each core. They serve sockets while a guest call takes too long on another thread.
const SPARE_WORKER_THREADS: usize = 2;

/// The most connections that wait to be accepted.
const LISTEN_BACKLOG: u32 = 4_096;

/// The longest time for calls on guest threads after the host has stopped.
const RUNTIME_SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(1);

pub(super) fn run(arguments: &ServeArgs) -> Result<(), CliError> {
    let console = Console::start()?;
    let _flushed = console.flush_on_drop();
    run_on_runtime(run_and_report(&console, async |telemetry| {
        load_and_serve(arguments, &console, telemetry).await
    }))
}

/// Runs a command, prints its error, sends the last traces and writes the last lines. The runtime handles a further ctrl-c
/// meanwhile. Blocks its thread, on which nothing else runs.
pub(super) async fn run_and_report(
    console: &Console,
    work: impl AsyncFnOnce(&mut Option<Telemetry>) -> Result<(), CliError>,
) -> Result<(), CliError> {
    let mut telemetry = None;
    let result = work(&mut telemetry).await;
    drop(telemetry);
    console.report_and_flush(result)
}

/// Loads the host and serves. Stores the telemetry in `telemetry`, which outlives the host.
async fn load_and_serve(
    arguments: &ServeArgs,
    console: &Console,
    telemetry: &mut Option<Telemetry>,
) -> Result<(), CliError> {
    let signals = Signals::install(console).map_err(CliError::runtime)?;
    let (config, started) =
        load_config(&arguments.config, arguments.listen.address.clone(), console)?;
    let options = ServeOptions::from_config(&config, telemetry.insert(started).log_buffer.clone());
    let Some(host) = load_host(config, HostMode::Serve, &signals, console).await? else {
        return Ok(());
    };
    let stopped = signals.shutdown.notified();
    serve(&options, host, stopped, signals.reload, console).await.map_err(CliError::runtime)
}

/// Loads a host, and prints its plugins. `None` if a signal to stop comes first.
pub(super) async fn load_host(
    config: Config,
    mode: HostMode,
    signals: &Signals,
    console: &Console,
) -> Result<Option<Host>, CliError> {
    let load_console = console.clone();
    let compiler = compile_component::compiler()?;
    let load = move || {
        let print = |plugin: &_| load_console.print_line(describe_plugin(plugin));
        Host::load(config, mode, language_runtimes(), compiler, print)
    };
    tokio::select! {
        loaded = tokio::task::spawn_blocking(load) => {
            loaded.map_err(CliError::runtime)?.map(Some).map_err(host_error)
        }
        () = signals.shutdown.notified() => Ok(None),
    }
}

/// Reads the configuration, starts the log, and logs the warnings about the configuration.
pub(super) fn load_config(
    file: &Path,
    listen: Option<ListenAddress>,
    console: &Console,
) -> Result<(Config, Telemetry), CliError> {
    let mut config = Config::load(file).map_err(CliError::usage)?;
    if let Some(listen) = listen {
        config.listen = listen;
    }
    let address = resolve_listen(&mut config.listen, "listen")?;
    if let Some(admin) = &mut config.admin {
        resolve_listen(&mut admin.listen, "admin.listen")?;
    }
    let telemetry = Telemetry::start("info", config.traces.as_ref(), console.stderr().clone());
    let telemetry = telemetry.map_err(CliError::usage)?;
    for warning in preflight(&config.limits) {
        tracing::warn!(%warning, "the system's limits are low");
    }
    if !address.ip().is_loopback() && config.allow_lists.origins.is_none() {
        tracing::warn!(
            "no allowed_origins: pages of any site may open WebSockets to this host with their visitors' cookies; list the \
             allowed sites in allowed_origins, or \"*\" for all"
        );
    }
    for warning in config.warnings() {
        tracing::warn!(%warning, "check the configuration");
    }
    Ok((config, telemetry))
}

/// Resolves the name of a listen address, so that it is resolved only once.
fn resolve_listen(listen: &mut ListenAddress, key: &str) -> Result<SocketAddr, CliError> {
    let address = listen.resolve().map_err(|error| CliError::usage(anyhow!("{key}: {error}")))?;
    *listen = address.into();
    Ok(address)
}

/// The settings that a serving host prints or needs beside the host itself.
pub(super) struct ServeOptions {
    listen: ListenAddress,
    has_tls: bool,
    has_demo_page: bool,
    admin: Option<AdminConfig>,
    tenants: BTreeMap<Tenant, Arc<TenantConfig>>,
    log_buffer: LogBuffer,
}

impl ServeOptions {
    pub(super) fn from_config(config: &Config, log_buffer: LogBuffer) -> Self {
        Self {
            listen: config.listen.clone(),
            has_tls: config.tls.is_some(),
            has_demo_page: config.demo,
            admin: config.admin.clone(),
            tenants: config.tenants.clone(),
            log_buffer,
        }
    }
}

/// Maps an error at the start of the host to an exit code.
fn host_error(error: HostError) -> CliError {
    match error {
        HostError::Load(error) => CliError::usage(error),
        error @ (HostError::RouteWithoutRoom(_)
        | HostError::Tls(_)
        | HostError::Users(_)
        | HostError::Token(_)
        | HostError::Keyvalue(_)
        | HostError::Signers(_)) => CliError::usage(error),
        HostError::Build { ref source, .. } if source.is_manifest_error() => CliError::usage(error),
        error => CliError::runtime(error),
    }
}

/// Runs a future to its end on a new runtime.
pub(super) fn run_on_runtime(
    work: impl Future<Output = Result<(), CliError>>,
) -> Result<(), CliError> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .thread_stack_size(narrowboat_runtime::THREAD_STACK_BYTES)
        .worker_threads(cores + SPARE_WORKER_THREADS)
        .enable_all()
        .build()
        .map_err(CliError::runtime)?;
    let result = runtime.block_on(work);
    runtime.shutdown_timeout(RUNTIME_SHUTDOWN_TIMEOUT);
    result
}

/// Serves until `shutdown` resolves.
pub(super) async fn serve(
    options: &ServeOptions,
    host: Host,
    shutdown: impl Future<Output = ()>,
    reload: Arc<Notify>,
    console: &Console,
) -> anyhow::Result<()> {
    let listener = bind_listener(&options.listen, "--listen 127.0.0.1:0 takes a free port")?;
    let address = listener.local_addr()?;
    for (tenant, own) in &options.tenants {
        let path = own.matcher.path.as_deref().unwrap_or_default();
        for route in &own.routes {
            let plugin = tenant.plugin_label(&route.plugin);
            let source = route.pattern.source();
            console.print_line(format_args!("route  {path}{source} -> {plugin}"));
        }
        for worker in &own.workers {
            let plugin = tenant.plugin_label(&worker.plugin);
            console.print_line(format_args!("worker {} -> {plugin}", worker.channel));
        }
    }
    let admin = match &options.admin {
        Some(config) => {
            let listener = bind_listener(&config.listen, "change [admin] listen")?;
            let address = listener.local_addr()?;
            let streams = vec![console.stdout().clone(), console.stderr().clone()];
            let port = AdminServer::open(listener, config, options.log_buffer.clone(), streams)?;
            let file = config.token_file.display();
            console.print_line(format_args!("admin on http://{address}, with the token in {file}"));
            Some(port)
        }
        None => None,
    };
    let (page_scheme, scheme) = if options.has_tls { ("https", "wss") } else { ("http", "ws") };
    if options.has_demo_page {
        console.print_line(format_args!("page   {page_scheme}://{address}/"));
    }
    console.print_line(format_args!("listening on {scheme}://{address}"));
    server::serve(listener, admin, host, shutdown, reload).await;
    Ok(())
}

fn bind_listener(listen: &ListenAddress, otherwise: &str) -> anyhow::Result<TcpListener> {
    let listen = listen.resolve().map_err(anyhow::Error::msg)?;
    let socket = if listen.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(listen).with_context(|| format!("cannot listen on {listen}; {otherwise}"))?;
    socket.listen(LISTEN_BACKLOG).with_context(|| format!("cannot listen on {listen}; {otherwise}"))
}

fn describe_plugin(plugin: &Plugin) -> String {
    format!(
        "plugin {}  {}  isolation {}",
        plugin.label,
        plugin.live_version().digest().short_hex(),
        plugin.isolation.key()
    )
}
