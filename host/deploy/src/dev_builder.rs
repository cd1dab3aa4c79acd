//! Builds the guest crates of a configuration for `narrowboat dev`, and builds them again when their sources change.

mod build_event;
mod crate_build;
mod dev_components;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use thiserror::Error;
use tokio::task::{JoinError, spawn_blocking};

pub use build_event::BuildEvent;
pub use dev_components::{DevComponent, DevComponents};

use crate::packaging::{BuildCancellation, BuildError};
use crate::watch::{WatchError, Watcher};
use crate_build::{BuildStep, CrateBuild};
use narrowboat_config::WatchMode;

/// Builds guest crates one after the other, on a thread of their own, and watches their sources.
#[derive(Debug)]
pub struct DevBuilder {
    /// The crates to build, and where their components are published.
    components: Arc<DevComponents>,
    crates: Vec<CrateBuild>,
    /// The configuration file, which may be in the folder of a crate and belongs to no crate.
    config_file: PathBuf,
    watch_mode: WatchMode,
    cancellation: BuildCancellation,
    /// The watcher, with the paths that it watches.
    watcher: Option<(WatchedPaths, Watcher)>,
    /// Whether a manifest or lock file of cargo, or the crates, have changed since cargo was asked for the sources.
    is_stale: bool,
}

/// The paths that a watcher watches.
#[derive(Debug, Clone, PartialEq, Eq)]
struct WatchedPaths {
    paths: BTreeSet<PathBuf>,
    excluded: BTreeSet<PathBuf>,
}

impl WatchedPaths {
    /// Whether a watcher of these paths reports all changes that one of the other paths would report.
    fn cover(&self, other: &Self) -> bool {
        self.paths.is_superset(&other.paths) && self.excluded == other.excluded
    }
}

/// Why the builder cannot go on.
#[derive(Debug, Error)]
pub enum DevBuildError {
    /// A build failed for a reason that no change of the sources can correct.
    #[error("plugin {plugin:?}: {source}")]
    Build {
        /// The plugin's name in the configuration.
        plugin: String,
        /// The error of the build.
        source: BuildError,
    },
    /// The sources cannot be watched.
    #[error(transparent)]
    Watch(#[from] WatchError),
    /// The thread of a build panicked.
    #[error("a build did not end: {0}")]
    Thread(#[from] JoinError),
}

impl DevBuilder {
    /// Creates a builder for the crates that a host serves with a configuration file. `cancellation` ends its builds.
    pub fn new(
        components: Arc<DevComponents>,
        config_file: PathBuf,
        watch_mode: WatchMode,
        cancellation: BuildCancellation,
    ) -> Self {
        let mut builder = Self {
            components,
            crates: Vec::new(),
            config_file,
            watch_mode,
            cancellation,
            watcher: None,
            is_stale: true,
        };
        builder.update_crates();
        builder
    }

    /// Builds the crates that are new, and those whose sources have changed since their last build, in the order of their
    /// folders. The failure of a crate does not keep the others from being built. `report` gets the events of the builds.
    ///
    /// # Errors
    /// When no change of the sources can correct a failure, or the sources cannot be watched.
    pub async fn build(&mut self, report: impl Fn(BuildEvent<'_>)) -> Result<(), DevBuildError> {
        if self.is_stale {
            self.refresh_sources().await?;
        }
        for krate in &mut self.crates {
            if self.cancellation.is_cancelled() {
                break;
            }
            if let Some(step) = krate.take_step() {
                build_crate(krate, step, &self.components, &self.cancellation, &report).await?;
            }
        }
        Ok(())
    }

    /// Waits until a crate has to be built, or the host serves other crates. Cancel-safe.
    pub async fn wait_for_change(&mut self) {
        while !self.is_stale && self.crates.iter().all(|krate| krate.pending.is_none()) {
            tokio::select! {
                changed = next_changes(&mut self.watcher) => self.mark_changed(&changed),
                () = self.components.wait_for_folder_change() => self.update_crates(),
            }
        }
    }

    /// Returns the folders whose files are watched, with those of source plugins, which the host watches.
    pub fn watched_folders(&self) -> BTreeSet<PathBuf> {
        let of_crates = self.crates.iter().flat_map(|krate| krate.sources.folders.iter().cloned());
        of_crates.chain(self.components.source_folders().into_iter().map(resolve)).collect()
    }

    /// Takes over the crates that the host serves now. Crates that it served before keep their builds.
    fn update_crates(&mut self) {
        let known = std::mem::take(&mut self.crates).into_iter();
        let mut known: BTreeMap<_, _> = known.map(|it| (it.folder.clone(), it)).collect();
        for (folder, plugin) in self.components.crates() {
            let mut krate =
                known.remove(&folder).unwrap_or_else(|| CrateBuild::new(&plugin, &folder));
            krate.plugin = plugin;
            if krate.is_compiled() && self.components.component(&folder).is_none() {
                // The host may have removed the crate and added it again.
                krate.require(BuildStep::Compile);
            }
            self.crates.push(krate);
        }
        self.is_stale = true;
    }

    /// Marks the crates to which changed paths belong. The folder of a crate may have the configuration and the folders of
    /// source plugins, which belong to no crate.
    fn mark_changed(&mut self, changed: &[PathBuf]) {
        let config_file = resolve(self.config_file.clone());
        let crates: Vec<_> = self.crates.iter().map(|it| resolve(it.folder.clone())).collect();
        let source_folders = self.components.source_folders().into_iter().map(resolve);
        let has_no_crate = |folder: &PathBuf| !crates.iter().any(|it| it.starts_with(folder));
        let source_folders: Vec<_> = source_folders.filter(has_no_crate).collect();
        let is_of_crate = |path: &&PathBuf| {
            **path != config_file && !source_folders.iter().any(|folder| path.starts_with(folder))
        };
        for path in changed.iter().filter(is_of_crate) {
            let is_cargo_file = path.ends_with("Cargo.toml") || path.ends_with("Cargo.lock");
            self.is_stale |= is_cargo_file;
            self.crates.iter_mut().for_each(|krate| krate.note_change(path));
        }
    }

    /// Asks cargo for the sources of the crates, and watches them.
    async fn refresh_sources(&mut self) -> Result<(), DevBuildError> {
        self.is_stale = false;
        let folders: Vec<_> = self.crates.iter().map(|krate| krate.folder.clone()).collect();
        let sources = spawn_blocking(move || {
            folders.iter().map(|it| crate_build::find_sources_or_folder(it)).collect()
        });
        let sources: Vec<_> = sources.await?;
        for (krate, sources) in self.crates.iter_mut().zip(sources) {
            krate.sources = sources;
        }
        let wanted = self.paths_to_watch();
        if self.watcher.as_ref().is_some_and(|(watched, _)| watched.cover(&wanted)) {
            return Ok(());
        }
        let (mode, paths) = (self.watch_mode, wanted.clone());
        let excluded = paths.excluded.into_iter().collect();
        let watcher = spawn_blocking(move || Watcher::trees(paths.paths, excluded, mode)).await??;
        self.watcher = Some((wanted, watcher));
        // A source may have changed while it was not watched.
        self.crates.iter_mut().for_each(|krate| krate.require(BuildStep::Verify));
        Ok(())
    }

    fn paths_to_watch(&self) -> WatchedPaths {
        let sources = self.crates.iter().map(|krate| &krate.sources);
        let paths =
            sources.clone().flat_map(|sources| sources.folders.iter().chain(&sources.files));
        WatchedPaths {
            paths: paths.cloned().collect(),
            excluded: sources.filter_map(|sources| sources.target.clone()).collect(),
        }
    }
}

/// Carries out a step of a crate's build, and publishes the component.
async fn build_crate(
    krate: &mut CrateBuild,
    step: BuildStep,
    components: &DevComponents,
    cancellation: &BuildCancellation,
    report: &impl Fn(BuildEvent<'_>),
) -> Result<(), DevBuildError> {
    if step == BuildStep::Compile {
        report(BuildEvent::Started { plugin: &krate.plugin });
    }
    let started = Instant::now();
    let built = krate.run(step, cancellation.clone()).await?;
    let plugin = krate.plugin.as_str();
    match built {
        Ok(built) => {
            let has_changed = built.has_changed;
            match step {
                BuildStep::Verify if !has_changed => {}
                BuildStep::Verify | BuildStep::Compile => {
                    report(BuildEvent::Built { plugin, elapsed: started.elapsed(), has_changed });
                }
                BuildStep::Pack => report(BuildEvent::Packed { plugin, has_changed }),
            }
            let component = DevComponent {
                file: built.file,
                isolation: built.manifest.isolation,
                room_template: built.manifest.rooms.map(|rooms| rooms.template),
            };
            components.publish(&krate.folder, component);
        }
        Err(_) if cancellation.is_cancelled() => {}
        Err(source) if source.is_environment_error() => {
            return Err(DevBuildError::Build { plugin: krate.plugin.clone(), source });
        }
        Err(error) => {
            let has_component = krate.has_component;
            report(BuildEvent::Failed { plugin, error: &error, has_component });
        }
    }
    Ok(())
}

/// Resolves the links of a path; returns the path itself if it does not exist.
fn resolve(path: PathBuf) -> PathBuf {
    path.canonicalize().unwrap_or(path)
}

/// Waits for changes of the watched paths, for ever if there are none.
async fn next_changes(watcher: &mut Option<(WatchedPaths, Watcher)>) -> Vec<PathBuf> {
    match watcher {
        Some((_, watcher)) => watcher.changed().await,
        None => std::future::pending().await,
    }
}
