//! The guest crates of a configuration while they are being written: built, and built again when
//! their sources change.

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

/// Builds crates one after the other, on a thread of its own, and watches their sources meanwhile.
#[derive(Debug)]
pub struct DevBuilder {
    crates: Vec<CrateBuild>,
    /// The configuration file.
    config_file: PathBuf,
    watch_mode: WatchMode,
    cancellation: BuildCancellation,
    /// Watches what it was made for.
    watcher: Option<(WatchedPaths, Watcher)>,
    /// Whether a manifest has changed since cargo was asked what belongs to the crates.
    is_stale: bool,
}

/// What a watcher is made for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct WatchedPaths {
    paths: BTreeSet<PathBuf>,
    excluded: Vec<PathBuf>,
}

/// Why work cannot go on.
#[derive(Debug, Error)]
pub enum DevBuildError {
    /// No change of the crate would mend it.
    #[error("plugin {plugin:?}: {source}")]
    Build {
        /// As the configuration calls it.
        plugin: String,
        /// What failed.
        source: BuildError,
    },
    /// The sources cannot be watched.
    #[error(transparent)]
    Watch(#[from] WatchError),
    /// The thread that built ended before its work.
    #[error("a build did not end: {0}")]
    Thread(#[from] JoinError),
}

impl DevBuilder {
    /// For the crates of a configuration, which was read from `file`. Builds end with `halt`.
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
        let benches = plugins.filter_map(|(label, source)| match source {
            PluginSource::Crate(folder) => Some(CrateBuild::new(&label, folder)),
            PluginSource::Component(_) => None,
        });
        Self {
            crates: benches.collect(),
            config_file: file.to_owned(),
            watch_mode,
            cancellation,
            watcher: None,
            is_stale: true,
        }
    }

    /// Builds what has changed since it was last built, in the configuration's order; at first, all.
    /// `tell` hears how it goes.
    ///
    /// # Errors
    /// When no change of a crate can mend what failed.
    pub async fn build(&mut self, tell: impl Fn(BuildEvent<'_>)) -> Result<(), DevBuildError> {
        if self.is_stale {
            self.refresh_sources().await?;
        }
        for bench in &mut self.crates {
            if !bench.needs_build || self.cancellation.is_cancelled() {
                continue;
            }
            bench.needs_build = false;
            let plugin = bench.plugin.as_str();
            tell(BuildEvent::Started { plugin });
            let start = Instant::now();
            let (halt, folder) = (self.cancellation.clone(), bench.folder.clone());
            match spawn_blocking(move || packaging::build_cancellable(&halt, &folder)).await? {
                Ok(built) => {
                    tell(BuildEvent::Built {
                        plugin,
                        elapsed: start.elapsed(),
                        has_changed: built.has_changed,
                    });
                    bench.component = Some(built.file);
                }
                Err(_) if self.cancellation.is_cancelled() => {}
                Err(source) if source.is_environment_error() => {
                    return Err(DevBuildError::Build { plugin: bench.plugin.clone(), source });
                }
                Err(error) => tell(BuildEvent::Failed { plugin, error: &error }),
            }
        }
        Ok(())
    }

    /// Waits until there is something to build. Cancel safe.
    ///
    /// # Errors
    /// When the sources cannot be watched.
    pub async fn wait_for_change(
        &mut self,
        tell: impl Fn(BuildEvent<'_>),
    ) -> Result<(), DevBuildError> {
        while !self.crates.iter().any(|bench| bench.needs_build) {
            if self.watcher.is_none() {
                self.refresh_sources().await?;
            }
            let Some((_, watcher)) = &mut self.watcher else { continue };
            let touched = watcher.changed().await;
            self.mark_changed(&touched, &tell);
        }
        Ok(())
    }

    /// The same configuration with the built components in place of the crates, or nothing while one
    /// has never been built.
    pub fn with_built_components(&self, mut config: Config) -> Option<Config> {
        for (tenant, own) in &mut config.tenants {
            for (name, plugin) in &mut own.plugins {
                let label = tenant.plugin_label(name);
                if let Some(bench) = self.crates.iter().find(|bench| bench.plugin == label) {
                    plugin.source = PluginSource::Component(bench.component.clone()?);
                }
            }
        }
        Some(config)
    }

    /// The folders whose files are watched.
    pub fn watched_folders(&self) -> BTreeSet<&Path> {
        let sources = self.crates.iter().flat_map(|bench| &bench.sources.folders);
        sources.map(PathBuf::as_path).collect()
    }

    /// Notes which crates are touched.
    fn mark_changed(&mut self, touched: &[PathBuf], tell: &impl Fn(BuildEvent<'_>)) {
        let configuration =
            self.config_file.canonicalize().unwrap_or_else(|_| self.config_file.clone());
        for path in touched {
            if *path == configuration {
                tell(BuildEvent::ConfigChanged { file: &self.config_file });
                continue;
            }
            self.is_stale |= path.ends_with("Cargo.toml") || path.ends_with("Cargo.lock");
            for bench in &mut self.crates {
                bench.needs_build |= bench.sources.contains(path);
            }
        }
    }

    /// Asks cargo what belongs to the crates, and watches that.
    async fn refresh_sources(&mut self) -> Result<(), DevBuildError> {
        self.is_stale = false;
        let folders: Vec<_> = self.crates.iter().map(|bench| bench.folder.clone()).collect();
        let sources = spawn_blocking(move || {
            folders.iter().map(|it| crate_build::find_sources_or_folder(it)).collect()
        });
        let sources: Vec<_> = sources.await?;
        for (bench, sources) in self.crates.iter_mut().zip(sources) {
            bench.sources = sources;
        }
        let wanted = self.paths_to_watch();
        if self.watcher.as_ref().is_some_and(|(watched, _)| *watched == wanted) {
            return Ok(());
        }
        let (noticing, paths) = (self.watch_mode, wanted.clone());
        let watcher =
            spawn_blocking(move || Watcher::trees(paths.paths, paths.excluded, noticing)).await??;
        self.watcher = Some((wanted, watcher));
        // What changed while nobody watched is seen by building.
        self.crates.iter_mut().for_each(|bench| bench.needs_build = true);
        Ok(())
    }

    fn paths_to_watch(&self) -> WatchedPaths {
        let sources = self.crates.iter().map(|bench| &bench.sources);
        let paths =
            sources.clone().flat_map(|sources| sources.folders.iter().chain(&sources.files));
        WatchedPaths {
            paths: paths.cloned().chain([self.config_file.clone()]).collect(),
            excluded: sources.filter_map(|sources| sources.target.clone()).collect(),
        }
    }
}
