//! `narrowboat dev`

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::anyhow;

use super::arguments::DevArgs;
use super::cli_error::CliError;
use super::output::Console;
use super::serve::{self, ServeOptions};
use super::signals::Signals;
use super::telemetry::Telemetry;
use narrowboat_deploy::dev_builder::{BuildEvent, DevBuildError, DevBuilder, DevComponents};
use narrowboat_deploy::packaging::BuildCancellation;
use narrowboat_server::{Host, HostMode};

pub(super) fn run(arguments: &DevArgs) -> Result<(), CliError> {
    let console = Console::start()?;
    let _flushed = console.flush_on_drop();
    let work = async |telemetry: &mut Option<Telemetry>| {
        serve_and_build(arguments, &console, telemetry).await
    };
    serve::run_on_runtime(serve::run_and_report(&console, work))
}

/// Serves, and builds meanwhile. Stores the telemetry in `telemetry`, which outlives the host.
async fn serve_and_build(
    arguments: &DevArgs,
    console: &Console,
    telemetry: &mut Option<Telemetry>,
) -> Result<(), CliError> {
    let signals = Signals::install(console).map_err(CliError::runtime)?;
    let file = arguments.config_file();
    arguments.check_config_exists(&file)?;
    let (mut config, started) =
        serve::load_config(&file, arguments.listen.address.clone(), console)?;
    // The host has to notice the components that are built.
    let watch_mode = *config.watch.get_or_insert_default();
    let log_buffer = telemetry.insert(started).log_buffer.clone();
    let options = ServeOptions::from_config(&config, log_buffer.clone());
    let components = Arc::<DevComponents>::default();
    let mode = HostMode::Dev { components: Arc::clone(&components), log_buffer };
    let Some(host) = serve::load_host(config, mode, &signals, console).await? else {
        return Ok(());
    };
    let cancellation = BuildCancellation::default();
    let builder = DevBuilder::new(components, file, watch_mode, cancellation.clone());
    serve_while_building(&options, host, builder, cancellation, signals, console).await
}

impl DevArgs {
    fn config_file(&self) -> PathBuf {
        let of_folder = || self.dir.clone().unwrap_or_default().join("narrowboat.toml");
        self.config.clone().unwrap_or_else(of_folder)
    }

    /// Checks that the configuration file exists, unless `--config` names it.
    ///
    /// # Errors
    /// The commands that may have been meant.
    fn check_config_exists(&self, file: &Path) -> Result<(), CliError> {
        if self.config.is_some() || file.exists() {
            return Ok(());
        }
        let advice = match &self.dir {
            None => "name another folder with `narrowboat dev DIR`, the file with --config FILE, or create a plugin \
                     with `narrowboat new NAME`"
                .to_owned(),
            Some(dir) => match parent_with_config(dir) {
                Some(parent) => format!("did you mean `narrowboat dev {}`?", parent.display()),
                None => "`narrowboat new NAME` creates a folder with a plugin and a configuration".to_owned(),
            },
        };
        Err(CliError::usage(anyhow!("there is no {}; {advice}", file.display())))
    }
}

/// Returns the folder above `dir` if it has a configuration.
fn parent_with_config(dir: &Path) -> Option<&Path> {
    let parent = dir.parent()?;
    let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    parent.join("narrowboat.toml").is_file().then_some(parent)
}

/// Serves until a signal, or until the first build shows that nothing can be built here.
async fn serve_while_building(
    options: &ServeOptions,
    host: Host,
    builder: DevBuilder,
    cancellation: BuildCancellation,
    signals: Signals,
    console: &Console,
) -> Result<(), CliError> {
    let Signals { shutdown, reload } = signals;
    let mut result = Ok(());
    let stopped = async {
        // Started here, because the host is bound to its port by now.
        let mut builds = tokio::spawn(build_on_changes(builder, console.clone()));
        tokio::select! {
            () = shutdown.notified() => {}
            ended = &mut builds => result = ended.map_err(CliError::runtime).and_then(Err),
        }
        cancellation.cancel();
        builds.abort();
    };
    serve::serve(options, host, stopped, reload, console).await.map_err(CliError::runtime)?;
    result
}

/// Builds crates at first, and again when their sources change. The host notices the new components by itself. Ends only
/// if the first build shows that nothing can be built here; after a later one, the host goes on without builds.
async fn build_on_changes(mut builder: DevBuilder, console: Console) -> CliError {
    if let Err(error) = builder.build(build_reporter(&console)).await {
        return CliError::runtime(error);
    }
    let mut watched = describe_watched_folders(&builder.watched_folders());
    console.print_line(&watched);
    loop {
        builder.wait_for_change().await;
        if let Err(error) = builder.build(build_reporter(&console)).await {
            report_end_of_builds(&error, &console);
            return std::future::pending().await;
        }
        let folders = describe_watched_folders(&builder.watched_folders());
        if folders != watched {
            console.print_line(&folders);
            watched = folders;
        }
    }
}

fn report_end_of_builds(error: &DevBuildError, console: &Console) {
    console.eprint_line(format_args!("{error}; builds have stopped; restart to continue"));
}

/// Describes the watched folders: first those inside the current folder, relative to it, and then the others.
fn describe_watched_folders(folders: &BTreeSet<PathBuf>) -> String {
    if folders.is_empty() {
        return "no plugin has a source or a crate; there are no sources to watch".to_owned();
    }
    let here = std::env::current_dir().and_then(|here| here.canonicalize()).unwrap_or_default();
    let (inside, outside): (Vec<&Path>, Vec<&Path>) =
        folders.iter().map(PathBuf::as_path).partition(|folder| folder.starts_with(&here));
    let inside = inside.into_iter().map(|folder| match folder.strip_prefix(&here) {
        Ok(relative) if relative != Path::new("") => relative,
        _ => Path::new("."),
    });
    let folders: Vec<_> = inside.chain(outside).map(|it| it.display().to_string()).collect();
    format!("watching {}", folders.join(", "))
}

/// Returns a function that prints build events.
fn build_reporter(console: &Console) -> impl Fn(BuildEvent<'_>) {
    move |event| match event {
        BuildEvent::Failed { .. } => console.eprint_line(event),
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
        let folders = [before, after, &here, &chat].map(Path::to_owned);
        let folders = BTreeSet::from(folders);
        assert_eq!(describe_watched_folders(&folders), "watching ., plugins/chat, /!, /~");
    }
}
