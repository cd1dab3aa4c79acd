//! `narrowboat dev`

use std::path::{Path, PathBuf};

use super::Failure;
use super::arguments::DevArgs;
use super::log::Log;
use super::output::Console;
use super::serve::{self, Served};
use super::signals::Signals;
use narrowboat_config::Config;
use narrowboat_deploy::packaging::Halt;
use narrowboat_deploy::workshop::{News, Workshop, WorkshopError};
use narrowboat_runtime::LoadError;
use narrowboat_server::{Host, HostError};

pub(super) fn run(arguments: &DevArgs) -> Result<(), Failure> {
    let console = Console::start()?;
    let _flushed = console.flush_at_end();
    let work = async |log: &mut Option<Log>| build_and_serve(arguments, &console, log).await;
    serve::in_runtime(serve::to_the_end(&console, work))
}

/// Leaves the log in `log`, which outlives what is served.
async fn build_and_serve(
    arguments: &DevArgs,
    console: &Console,
    log: &mut Option<Log>,
) -> Result<(), Failure> {
    let signals = Signals::listen(console).map_err(Failure::at_run_time)?;
    let file = arguments.file();
    let (mut config, started) = serve::configuration(&file, arguments.listen.clone(), console)?;
    // Without it no one would see what is built.
    let noticing = *config.watch.get_or_insert_default();
    let halt = Halt::default();
    let workshop = Workshop::new(&config, &file, noticing, halt.clone());
    // What it says of crates is not what is served, which is built of them.
    config.file = None;
    let served = Served::of(&config, log.insert(started).journal.clone());
    develop(config, served, workshop, halt, signals, console).await
}

impl DevArgs {
    fn file(&self) -> PathBuf {
        let of_folder = || self.dir.clone().unwrap_or_default().join("narrowboat.toml");
        self.config.clone().unwrap_or_else(of_folder)
    }
}

async fn develop(
    config: Config,
    served: Served,
    mut workshop: Workshop,
    halt: Halt,
    signals: Signals,
    console: &Console,
) -> Result<(), Failure> {
    let Signals { stopping, reread } = signals;
    let host = tokio::select! {
        host = first(config, &mut workshop, console) => host?,
        () = stopping.notified() => {
            halt.halt();
            return Ok(());
        }
    };
    let building = tokio::spawn(go_on(workshop, console.clone()));
    let stopped = async {
        stopping.notified().await;
        halt.halt();
    };
    let result = serve::serve(&served, host, stopped, reread, console).await;
    building.abort();
    result.map_err(Failure::at_run_time)
}

/// What is left when a first build fails.
const NOTHING: &str = "waiting for its sources to change";

/// What is left when a further build fails.
const THE_OLD: &str = "the old version goes on serving";

/// Builds until every crate has become a plugin that starts.
async fn first(
    config: Config,
    workshop: &mut Workshop,
    console: &Console,
) -> Result<Host, Failure> {
    loop {
        workshop.build(tell(console, NOTHING)).await.map_err(Failure::at_run_time)?;
        if let Some(config) = workshop.built(config.clone()) {
            let tell = console.clone();
            let load = move || Host::load(config, |plugin| tell.print_line(serve::ready(plugin)));
            let loaded = tokio::task::spawn_blocking(load).await.map_err(Failure::at_run_time)?;
            match loaded {
                Ok(host) => {
                    console.print_line(watched(workshop));
                    return Ok(host);
                }
                Err(error) if can_be_mended(&error) => {
                    console.note(format_args!("{error}; {NOTHING}"));
                }
                Err(error) => return Err(serve::failure(error)),
            }
        }
        workshop.wait(tell(console, NOTHING)).await.map_err(Failure::at_run_time)?;
    }
}

/// Names the folders in which a change is a reason to build, as seen from this one.
fn watched(workshop: &Workshop) -> String {
    let here = std::env::current_dir().and_then(|here| here.canonicalize()).unwrap_or_default();
    let folders: Vec<_> = workshop
        .folders()
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
fn can_be_mended(error: &HostError) -> bool {
    match error {
        HostError::Load(error) => {
            !matches!(error, LoadError::Conflict(_) | LoadError::Distrusted { .. })
        }
        HostError::Build { .. } => true,
        HostError::Engine(_)
        | HostError::Store(_)
        | HostError::Signers(_)
        | HostError::Tls(_)
        | HostError::Users(_)
        | HostError::Token(_)
        | HostError::NoThread
        | HostError::Unsettled
        | HostError::Stopping => false,
    }
}

/// Builds whatever changes. The host notices by itself what has been built.
async fn go_on(mut workshop: Workshop, console: Console) {
    loop {
        if let Err(error) = again(&mut workshop, &console).await {
            console.note(format_args!("{error}; nothing is built any more until a restart"));
            return;
        }
    }
}

async fn again(workshop: &mut Workshop, console: &Console) -> Result<(), WorkshopError> {
    workshop.wait(tell(console, THE_OLD)).await?;
    workshop.build(tell(console, THE_OLD)).await
}

/// Tells on the terminal; of a failure also what it leaves.
fn tell(console: &Console, left: &str) -> impl Fn(News<'_>) {
    move |news| match news {
        News::Failed { .. } => console.note(format_args!("{news}; {left}")),
        _ => console.print_line(news),
    }
}
