//! The guest crates of a configuration while they are being written: built, and built again when
//! their sources change.

mod bench;
mod news;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Instant;

use thiserror::Error;
use tokio::task::{JoinError, spawn_blocking};

pub use news::News;

use crate::packaging::{self, BuildError, Halt};
use crate::watch::{WatchError, Watcher};
use bench::Bench;
use narrowboat_config::{Config, Noticing, Source};

/// Builds crates one after the other, on a thread of its own, and watches their sources meanwhile.
#[derive(Debug)]
pub struct Workshop {
    benches: Vec<Bench>,
    /// The configuration file.
    file: PathBuf,
    noticing: Noticing,
    halt: Halt,
    /// Watches what it was made for.
    watched: Option<(Watched, Watcher)>,
    /// Whether a manifest has changed since cargo was asked what belongs to the crates.
    is_stale: bool,
}

/// What a watcher is made for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Watched {
    paths: BTreeSet<PathBuf>,
    except: Vec<PathBuf>,
}

/// Why work cannot go on.
#[derive(Debug, Error)]
pub enum WorkshopError {
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

impl Workshop {
    /// For the crates of a configuration, which was read from `file`. Builds end with `halt`.
    pub fn new(config: &Config, file: &Path, noticing: Noticing, halt: Halt) -> Self {
        let plugins = config.tenants.iter().flat_map(|(tenant, own)| {
            own.plugins.iter().map(move |(name, plugin)| (tenant.label(name), &plugin.source))
        });
        let benches = plugins.filter_map(|(label, source)| match source {
            Source::Crate(folder) => Some(Bench::new(&label, folder)),
            Source::Component(_) => None,
        });
        Self {
            benches: benches.collect(),
            file: file.to_owned(),
            noticing,
            halt,
            watched: None,
            is_stale: true,
        }
    }

    /// Builds what has changed since it was last built, in the configuration's order; at first, all.
    /// `tell` hears how it goes.
    ///
    /// # Errors
    /// When no change of a crate can mend what failed.
    pub async fn build(&mut self, tell: impl Fn(News<'_>)) -> Result<(), WorkshopError> {
        if self.is_stale {
            self.survey().await?;
        }
        for bench in &mut self.benches {
            if !bench.is_due || self.halt.is_halted() {
                continue;
            }
            bench.is_due = false;
            let plugin = bench.plugin.as_str();
            tell(News::Building { plugin });
            let start = Instant::now();
            let (halt, folder) = (self.halt.clone(), bench.folder.clone());
            match spawn_blocking(move || packaging::build_under(&halt, &folder)).await? {
                Ok(built) => {
                    tell(News::Built { plugin, took: start.elapsed(), is_new: built.is_new });
                    bench.component = Some(built.file);
                }
                Err(_) if self.halt.is_halted() => {}
                Err(source) if source.is_about_the_machine() => {
                    return Err(WorkshopError::Build { plugin: bench.plugin.clone(), source });
                }
                Err(error) => tell(News::Failed { plugin, error: &error }),
            }
        }
        Ok(())
    }

    /// Waits until there is something to build. Cancel safe.
    ///
    /// # Errors
    /// When the sources cannot be watched.
    pub async fn wait(&mut self, tell: impl Fn(News<'_>)) -> Result<(), WorkshopError> {
        while !self.benches.iter().any(|bench| bench.is_due) {
            if self.watched.is_none() {
                self.survey().await?;
            }
            let Some((_, watcher)) = &mut self.watched else { continue };
            let touched = watcher.changed().await;
            self.note(&touched, &tell);
        }
        Ok(())
    }

    /// The same configuration with the built components in place of the crates, or nothing while one
    /// has never been built.
    pub fn built(&self, mut config: Config) -> Option<Config> {
        for (tenant, own) in &mut config.tenants {
            for (name, plugin) in &mut own.plugins {
                let label = tenant.label(name);
                if let Some(bench) = self.benches.iter().find(|bench| bench.plugin == label) {
                    plugin.source = Source::Component(bench.component.clone()?);
                }
            }
        }
        Some(config)
    }

    /// The folders whose files are watched.
    pub fn folders(&self) -> BTreeSet<&Path> {
        let sources = self.benches.iter().flat_map(|bench| &bench.sources.folders);
        sources.map(PathBuf::as_path).collect()
    }

    /// Notes which crates are touched.
    fn note(&mut self, touched: &[PathBuf], tell: &impl Fn(News<'_>)) {
        let configuration = self.file.canonicalize().unwrap_or_else(|_| self.file.clone());
        for path in touched {
            if *path == configuration {
                tell(News::Configuration { file: &self.file });
                continue;
            }
            self.is_stale |= path.ends_with("Cargo.toml") || path.ends_with("Cargo.lock");
            for bench in &mut self.benches {
                bench.is_due |= bench.sources.contain(path);
            }
        }
    }

    /// Asks cargo what belongs to the crates, and watches that.
    async fn survey(&mut self) -> Result<(), WorkshopError> {
        self.is_stale = false;
        let folders: Vec<_> = self.benches.iter().map(|bench| bench.folder.clone()).collect();
        let sources = spawn_blocking(move || folders.iter().map(|it| bench::survey(it)).collect());
        let sources: Vec<_> = sources.await?;
        for (bench, sources) in self.benches.iter_mut().zip(sources) {
            bench.sources = sources;
        }
        let wanted = self.wanted();
        if self.watched.as_ref().is_some_and(|(watched, _)| *watched == wanted) {
            return Ok(());
        }
        let (noticing, paths) = (self.noticing, wanted.clone());
        let watcher =
            spawn_blocking(move || Watcher::trees(paths.paths, paths.except, noticing)).await??;
        self.watched = Some((wanted, watcher));
        // What changed while nobody watched is seen by building.
        self.benches.iter_mut().for_each(|bench| bench.is_due = true);
        Ok(())
    }

    fn wanted(&self) -> Watched {
        let sources = self.benches.iter().map(|bench| &bench.sources);
        let paths =
            sources.clone().flat_map(|sources| sources.folders.iter().chain(&sources.files));
        Watched {
            paths: paths.cloned().chain([self.file.clone()]).collect(),
            except: sources.filter_map(|sources| sources.target.clone()).collect(),
        }
    }
}
