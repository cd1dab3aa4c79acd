//! Builds the guest crates of a configuration for `narrowboat dev`, and builds them again when their sources change.

mod build_event;
mod crate_build;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Instant;

use thiserror::Error;
use tokio::task::{JoinError, spawn_blocking};

pub use build_event::BuildEvent;

use crate::packaging::{self, BuildCancellation, BuildError};
use crate::watch::{WatchError, Watcher};
use crate_build::CrateBuild;
use narrowboat_config::{Config, PluginSource, WatchMode};

/// Builds guest crates one after the other, on a thread of their own, and watches their sources.
#[derive(Debug)]
pub struct DevBuilder {
    crates: Vec<CrateBuild>,
    /// The configuration file.
    config_file: PathBuf,
    watch_mode: WatchMode,
    cancellation: BuildCancellation,
    /// The watcher, with the paths that it watches.
    watcher: Option<(WatchedPaths, Watcher)>,
    /// Whether a manifest or lock file has changed since cargo was asked for the sources.
    is_stale: bool,
}

/// The paths that a watcher watches.
#[derive(Debug, Clone, PartialEq, Eq)]
struct WatchedPaths {
    paths: BTreeSet<PathBuf>,
    excluded: Vec<PathBuf>,
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
    /// Creates a builder for the crates of a configuration that was read from `file`. `cancellation` ends its builds.
    pub fn new(
        config: &Config,
        file: &Path,
        watch_mode: WatchMode,
        cancellation: BuildCancellation,
    ) -> Self {
        let plugins = config.tenants.iter().flat_map(|(tenant, own)| {
            own.plugins
                .iter()
                .map(move |(name, plugin)| (tenant.plugin_label(name), &plugin.source))
        });
        let crates = plugins.filter_map(|(label, source)| match source {
            PluginSource::Crate(folder) => Some(CrateBuild::new(&label, folder)),
            PluginSource::Component(_) | PluginSource::Source(_) => None,
        });
        Self {
            crates: crates.collect(),
            config_file: file.to_owned(),
            watch_mode,
            cancellation,
            watcher: None,
            is_stale: true,
        }
    }

    /// Builds the crates whose sources have changed since their last build, in the order of the configuration; the first
    /// call builds all. `report` gets the events of the builds.
    ///
    /// # Errors
    /// When no change of the sources can correct a failure, or the sources cannot be watched.
    pub async fn build(&mut self, report: impl Fn(BuildEvent<'_>)) -> Result<(), DevBuildError> {
        if self.is_stale {
            self.refresh_sources().await?;
        }
        for krate in &mut self.crates {
            if !krate.needs_build || self.cancellation.is_cancelled() {
                continue;
            }
            krate.needs_build = false;
            let plugin = krate.plugin.as_str();
            report(BuildEvent::Started { plugin });
            let started = Instant::now();
            let (cancellation, folder) = (self.cancellation.clone(), krate.folder.clone());
            match spawn_blocking(move || packaging::build_cancellable(&cancellation, &folder))
                .await?
            {
                Ok(built) => {
                    report(BuildEvent::Built {
                        plugin,
                        elapsed: started.elapsed(),
                        has_changed: built.has_changed,
                    });
                    krate.component = Some(built.file);
                }
                Err(_) if self.cancellation.is_cancelled() => {}
                Err(source) if source.is_environment_error() => {
                    return Err(DevBuildError::Build { plugin: krate.plugin.clone(), source });
                }
                Err(error) => report(BuildEvent::Failed { plugin, error: &error }),
            }
        }
        Ok(())
    }

    /// Waits until a crate has to be built. Cancel-safe.
    ///
    /// # Errors
    /// When the sources cannot be watched.
    pub async fn wait_for_change(
        &mut self,
        report: impl Fn(BuildEvent<'_>),
    ) -> Result<(), DevBuildError> {
        while !self.crates.iter().any(|krate| krate.needs_build) {
            if self.watcher.is_none() {
                self.refresh_sources().await?;
            }
            let Some((_, watcher)) = &mut self.watcher else { continue };
            let changed = watcher.changed().await;
            self.mark_changed(&changed, &report);
        }
        Ok(())
    }

    /// Returns the configuration with the built components in place of the crates; `None` while a crate has never been
    /// built.
    pub fn with_built_components(&self, mut config: Config) -> Option<Config> {
        for (tenant, own) in &mut config.tenants {
            for (name, plugin) in &mut own.plugins {
                let label = tenant.plugin_label(name);
                if let Some(krate) = self.crates.iter().find(|krate| krate.plugin == label) {
                    plugin.source = PluginSource::Component(krate.component.clone()?);
                }
            }
        }
        Some(config)
    }

    /// Returns the folders whose files are watched.
    pub fn watched_folders(&self) -> BTreeSet<&Path> {
        let sources = self.crates.iter().flat_map(|krate| &krate.sources.folders);
        sources.map(PathBuf::as_path).collect()
    }

    /// Marks the crates to which changed paths belong.
    fn mark_changed(&mut self, changed: &[PathBuf], report: &impl Fn(BuildEvent<'_>)) {
        let configuration =
            self.config_file.canonicalize().unwrap_or_else(|_| self.config_file.clone());
        for path in changed {
            if *path == configuration {
                report(BuildEvent::ConfigChanged { file: &self.config_file });
                continue;
            }
            self.is_stale |= path.ends_with("Cargo.toml") || path.ends_with("Cargo.lock");
            for krate in &mut self.crates {
                krate.needs_build |= krate.sources.contains(path);
            }
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
        if self.watcher.as_ref().is_some_and(|(watched, _)| *watched == wanted) {
            return Ok(());
        }
        let (mode, paths) = (self.watch_mode, wanted.clone());
        let watcher =
            spawn_blocking(move || Watcher::trees(paths.paths, paths.excluded, mode)).await??;
        self.watcher = Some((wanted, watcher));
        // A source may have changed while it was not watched, so all crates are built.
        self.crates.iter_mut().for_each(|krate| krate.needs_build = true);
        Ok(())
    }

    fn paths_to_watch(&self) -> WatchedPaths {
        let sources = self.crates.iter().map(|krate| &krate.sources);
        let paths =
            sources.clone().flat_map(|sources| sources.folders.iter().chain(&sources.files));
        WatchedPaths {
            paths: paths.cloned().chain([self.config_file.clone()]).collect(),
            excluded: sources.filter_map(|sources| sources.target.clone()).collect(),
        }
    }
}
