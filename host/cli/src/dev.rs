//! `narrowboat dev`

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::arguments::DevArgs;
use super::cli_error::CliError;
use super::output::Console;
use super::runtimes::language_runtimes;
use super::serve::{self, ServeOptions};
use super::signals::Signals;
use super::telemetry::Telemetry;
use narrowboat_config::Config;
use narrowboat_deploy::dev_builder::{BuildEvent, DevBuildError, DevBuilder};
use narrowboat_deploy::packaging::BuildCancellation;
use narrowboat_runtime::LoadError;
use narrowboat_server::{Host, HostError};

pub(super) fn run(arguments: &DevArgs) -> Result<(), CliError> {
    let console = Console::start()?;
    let _flushed = console.flush_on_drop();
    let work = async |telemetry: &mut Option<Telemetry>| {
        build_and_serve(arguments, &console, telemetry).await
    };
    serve::run_on_runtime(serve::run_and_report(&console, work))
}

/// Builds, loads the host and serves. Stores the telemetry in `telemetry`, which outlives the host.
async fn build_and_serve(
    arguments: &DevArgs,
    console: &Console,
    telemetry: &mut Option<Telemetry>,
) -> Result<(), CliError> {
    let signals = Signals::install(console).map_err(CliError::runtime)?;
    let file = arguments.config_file();
    let (mut config, started) =
        serve::load_config(&file, arguments.listen.address.clone(), console)?;
    // The host has to notice the components that are built.
    let watch_mode = *config.watch.get_or_insert_default();
    let cancellation = BuildCancellation::default();
    let builder = DevBuilder::new(&config, &file, watch_mode, cancellation.clone());
    // A reload would find crates in the file, but the host serves the components that are built from them.
    config.file = None;
    let options = ServeOptions::from_config(&config, telemetry.insert(started).log_buffer.clone());
    serve_while_building(config, options, builder, cancellation, signals, console).await
}

impl DevArgs {
    fn config_file(&self) -> PathBuf {
        let of_folder = || self.dir.clone().unwrap_or_default().join("narrowboat.toml");
        self.config.clone().unwrap_or_else(of_folder)
    }
}

async fn serve_while_building(
    config: Config,
    options: ServeOptions,
    mut builder: DevBuilder,
    cancellation: BuildCancellation,
    signals: Signals,
    console: &Console,
) -> Result<(), CliError> {
    let Signals { shutdown, reload } = signals;
    let host = tokio::select! {
        host = build_until_loaded(config, &mut builder, console) => host?,
        () = shutdown.notified() => {
            cancellation.cancel();
            return Ok(());
        }
    };
    let building = tokio::spawn(rebuild_on_changes(builder, console.clone()));
    let stopped = async {
        shutdown.notified().await;
        cancellation.cancel();
    };
    let result = serve::serve(&options, host, stopped, reload, console).await;
    building.abort();
    result.map_err(CliError::runtime)
}

/// Printed after the failure of a first build.
const WAITING_FOR_CHANGE: &str = "waiting for its sources to change";

/// Printed after the failure of a later build.
const OLD_VERSION_SERVES: &str = "the old version goes on serving";

/// Builds until the host loads with all crates.
async fn build_until_loaded(
    config: Config,
    builder: &mut DevBuilder,
    console: &Console,
) -> Result<Host, CliError> {
    loop {
        builder
            .build(build_reporter(console, WAITING_FOR_CHANGE))
            .await
            .map_err(CliError::runtime)?;
        if let Some(config) = builder.with_built_components(config.clone()) {
            let load_console = console.clone();
            let load = move || {
                let print = |plugin: &_| load_console.print_line(serve::describe_plugin(plugin));
                Host::load(config, language_runtimes(), print)
            };
            let loaded = tokio::task::spawn_blocking(load).await.map_err(CliError::runtime)?;
            match loaded {
                Ok(host) => {
                    console.print_line(describe_watched_folders(&builder.watched_folders()));
                    return Ok(host);
                }
                Err(error) if is_fixable_in_source(&error) => {
                    console.eprint_line(format_args!("{error}; {WAITING_FOR_CHANGE}"));
                }
                Err(error) => return Err(serve::host_error(error)),
            }
        }
        builder
            .wait_for_change(build_reporter(console, WAITING_FOR_CHANGE))
            .await
            .map_err(CliError::runtime)?;
    }
}

/// Describes the watched folders: first those inside the current folder, relative to it, and then the others.
fn describe_watched_folders(folders: &BTreeSet<&Path>) -> String {
    if folders.is_empty() {
        return "no plugin is built from a crate; there are no sources to watch".to_owned();
    }
    let here = std::env::current_dir().and_then(|here| here.canonicalize()).unwrap_or_default();
    let (inside, outside): (Vec<&Path>, Vec<&Path>) =
        folders.iter().copied().partition(|folder| folder.starts_with(&here));
    let inside = inside.into_iter().map(|folder| match folder.strip_prefix(&here) {
        Ok(relative) if relative != Path::new("") => relative,
        _ => Path::new("."),
    });
    let folders: Vec<_> = inside.chain(outside).map(|it| it.display().to_string()).collect();
    format!("watching {}", folders.join(", "))
}

/// Whether a change of the sources may correct the error.
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

/// Builds crates when their sources change. The host notices the new components by itself.
async fn rebuild_on_changes(mut builder: DevBuilder, console: Console) {
    loop {
        if let Err(error) = rebuild_once(&mut builder, &console).await {
            console.eprint_line(format_args!("{error}; builds have stopped; restart to continue"));
            return;
        }
    }
}

async fn rebuild_once(builder: &mut DevBuilder, console: &Console) -> Result<(), DevBuildError> {
    builder.wait_for_change(build_reporter(console, OLD_VERSION_SERVES)).await?;
    builder.build(build_reporter(console, OLD_VERSION_SERVES)).await
}

/// Returns a function that prints build events. After a failure it prints `consequence` too.
fn build_reporter(console: &Console, consequence: &str) -> impl Fn(BuildEvent<'_>) {
    move |event| match event {
        BuildEvent::Failed { .. } => console.eprint_line(format_args!("{event}; {consequence}")),
        _ => console.print_line(event),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn watched_folders_inside_the_current_one_come_first_wherever_the_others_are() {
        let here = std::env::current_dir().unwrap().canonicalize().unwrap();
        let (chat, before, after) = (here.join("plugins/chat"), Path::new("/!"), Path::new("/~"));
        let folders = BTreeSet::from([before, after, &here, &chat]);
        assert_eq!(describe_watched_folders(&folders), "watching ., plugins/chat, /!, /~");
    }
}
