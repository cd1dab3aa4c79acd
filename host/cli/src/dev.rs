//! `narrowboat dev`

use std::path::{Path, PathBuf};

use super::CliError;
use super::arguments::DevArgs;
use super::output::Console;
use super::serve::{self, ServeOptions};
use super::signals::Signals;
use super::telemetry::Log;
use narrowboat_config::Config;
use narrowboat_deploy::dev_builder::{BuildEvent, DevBuildError, DevBuilder};
use narrowboat_deploy::packaging::BuildCancellation;
use narrowboat_runtime::LoadError;
use narrowboat_server::{Host, HostError};

pub(super) fn run(arguments: &DevArgs) -> Result<(), CliError> {
    let console = Console::start()?;
    let _flushed = console.flush_on_drop();
    let work = async |log: &mut Option<Log>| build_and_serve(arguments, &console, log).await;
    serve::run_on_runtime(serve::run_and_report(&console, work))
}

/// Leaves the log in `log`, which outlives what is served.
async fn build_and_serve(
    arguments: &DevArgs,
    console: &Console,
    log: &mut Option<Log>,
) -> Result<(), CliError> {
    let signals = Signals::install(console).map_err(CliError::runtime)?;
    let file = arguments.config_file();
    let (mut config, started) = serve::load_config(&file, arguments.listen.clone(), console)?;
    // Without it no one would see what is built.
    let noticing = *config.watch.get_or_insert_default();
    let halt = BuildCancellation::default();
    let workshop = DevBuilder::new(&config, &file, noticing, halt.clone());
    // What it says of crates is not what is served, which is built of them.
    config.file = None;
    let served = ServeOptions::from_config(&config, log.insert(started).log_buffer.clone());
    serve_while_building(config, served, workshop, halt, signals, console).await
}

impl DevArgs {
    fn config_file(&self) -> PathBuf {
        let of_folder = || self.dir.clone().unwrap_or_default().join("narrowboat.toml");
        self.config.clone().unwrap_or_else(of_folder)
    }
}

async fn serve_while_building(
    config: Config,
    served: ServeOptions,
    mut workshop: DevBuilder,
    halt: BuildCancellation,
    signals: Signals,
    console: &Console,
) -> Result<(), CliError> {
    let Signals { shutdown: stopping, reload: reread } = signals;
    let host = tokio::select! {
        host = build_until_loaded(config, &mut workshop, console) => host?,
        () = stopping.notified() => {
            halt.cancel();
            return Ok(());
        }
    };
    let building = tokio::spawn(rebuild_on_changes(workshop, console.clone()));
    let stopped = async {
        stopping.notified().await;
        halt.cancel();
    };
    let result = serve::serve(&served, host, stopped, reread, console).await;
    building.abort();
    result.map_err(CliError::runtime)
}

/// What is left when a first build fails.
const WAITING_FOR_CHANGE: &str = "waiting for its sources to change";

/// What is left when a further build fails.
const OLD_VERSION_SERVES: &str = "the old version goes on serving";

/// Builds until every crate has become a plugin that starts.
async fn build_until_loaded(
    config: Config,
    workshop: &mut DevBuilder,
    console: &Console,
) -> Result<Host, CliError> {
    loop {
        workshop
            .build(build_reporter(console, WAITING_FOR_CHANGE))
            .await
            .map_err(CliError::runtime)?;
        if let Some(config) = workshop.with_built_components(config.clone()) {
            let tell = console.clone();
            let load = move || {
                Host::load(config, |plugin| tell.print_line(serve::describe_plugin(plugin)))
            };
            let loaded = tokio::task::spawn_blocking(load).await.map_err(CliError::runtime)?;
            match loaded {
                Ok(host) => {
                    console.print_line(describe_watched_folders(workshop));
                    return Ok(host);
                }
                Err(error) if is_fixable_in_source(&error) => {
                    console.eprint_line(format_args!("{error}; {WAITING_FOR_CHANGE}"));
                }
                Err(error) => return Err(serve::host_error(error)),
            }
        }
        workshop
            .wait_for_change(build_reporter(console, WAITING_FOR_CHANGE))
            .await
            .map_err(CliError::runtime)?;
    }
}

/// Names the folders in which a change is a reason to build, as seen from this one.
fn describe_watched_folders(workshop: &DevBuilder) -> String {
    let here = std::env::current_dir().and_then(|here| here.canonicalize()).unwrap_or_default();
    let folders: Vec<_> = workshop
        .watched_folders()
        .into_iter()
        .map(|folder| match folder.strip_prefix(&here) {
            Ok(inside) if inside == Path::new("") => ".".to_owned(),
            Ok(inside) => inside.display().to_string(),
            Err(_) => folder.display().to_string(),
        })
        .collect();
    if folders.is_empty() {
        return "no plugin is built of a crate; there are no sources to watch".to_owned();
    }
    format!("watching {}", folders.join(", "))
}

/// Whether the change of a source may lead to another end.
fn is_fixable_in_source(error: &HostError) -> bool {
    match error {
        HostError::Load(error) => {
            !matches!(error, LoadError::Config(_) | LoadError::Signature { .. })
        }
        HostError::Build { .. } => true,
        HostError::Engine(_)
        | HostError::Store(_)
        | HostError::Signers(_)
        | HostError::Tls(_)
        | HostError::Users(_)
        | HostError::Token(_)
        | HostError::NoThread
        | HostError::VersionsKeptChanging
        | HostError::Stopping => false,
    }
}

/// Builds whatever changes. The host notices by itself what has been built.
async fn rebuild_on_changes(mut workshop: DevBuilder, console: Console) {
    loop {
        if let Err(error) = rebuild_once(&mut workshop, &console).await {
            console.eprint_line(format_args!("{error}; nothing is built any more until a restart"));
            return;
        }
    }
}

async fn rebuild_once(workshop: &mut DevBuilder, console: &Console) -> Result<(), DevBuildError> {
    workshop.wait_for_change(build_reporter(console, OLD_VERSION_SERVES)).await?;
    workshop.build(build_reporter(console, OLD_VERSION_SERVES)).await
}

/// Tells on the terminal; of a failure also what it leaves.
fn build_reporter(console: &Console, left: &str) -> impl Fn(BuildEvent<'_>) {
    move |news| match news {
        BuildEvent::Failed { .. } => console.eprint_line(format_args!("{news}; {left}")),
        _ => console.print_line(news),
    }
}
