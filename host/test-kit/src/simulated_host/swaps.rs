//! Other versions of the plugin under test.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use crate::reply::{Reply, ReplyData};
use crate::request::Data;
use crate::test_plugin::TestPlugin;
use narrowboat_config::signature::MissingSignature;
use narrowboat_core::component::append_custom_section;
use narrowboat_core::source_bundle::{SourceBundle, SourcePath};
use narrowboat_deploy::rollout::{DeployOutcome, DeployReport};
use narrowboat_runtime::Build;
use narrowboat_server::InMemoryServer;

/// The file, or the custom section, that makes the same code another version.
const VERSION_MARK: &str = "narrowboat-test-version";

/// The versions that a test has made.
pub(super) struct Swaps {
    /// The bytes of the first version.
    component: Vec<u8>,
    count: u32,
}

impl Swaps {
    pub(super) fn new(component: Vec<u8>) -> Self {
        Self { component, count: 0 }
    }

    /// Builds the next version: with other files, from another component, or the first one again.
    ///
    /// # Errors
    /// If a path is not valid, or the plugin is not one of that kind.
    pub(super) fn build(
        &mut self,
        plugin: &TestPlugin,
        files: Option<BTreeMap<String, Option<Data>>>,
        component: Option<String>,
    ) -> Result<Build, String> {
        self.count += 1;
        let mark = self.count.to_string();
        let bytes = match (component, files) {
            (Some(path), _) => {
                let file = path_in(plugin, &path)?;
                std::fs::read(&file).map_err(|error| format!("cannot read {path}: {error}"))?
            }
            (None, files) if SourceBundle::is_bundle(&self.component) => {
                self.changed_bundle(files.unwrap_or_default(), mark)?
            }
            (None, Some(_)) => {
                return Err("only a source plugin has files; name a component".to_owned());
            }
            (None, None) => {
                append_custom_section(self.component.clone(), VERSION_MARK, mark.as_bytes())
            }
        };
        Ok(Build::new(bytes, Err(MissingSignature::NotInStore)))
    }

    /// The bundle of the first version with other files, and with a file that differs in each version.
    fn changed_bundle(
        &self,
        changes: BTreeMap<String, Option<Data>>,
        mark: String,
    ) -> Result<Vec<u8>, String> {
        let bundle = SourceBundle::parse(&self.component).map_err(|error| error.to_string())?;
        let files = bundle.files().iter();
        let mut files: BTreeMap<_, _> =
            files.map(|file| (file.path.clone(), file.content.to_vec())).collect();
        let mark = Some(Data::Text(mark));
        for (path, content) in changes.into_iter().chain([(VERSION_MARK.to_owned(), mark)]) {
            let path = SourcePath::parse(&path).map_err(|error| error.to_string())?;
            match content {
                Some(content) => drop(files.insert(path, content.into_bytes())),
                None if files.remove(&path).is_some() => {}
                None => return Err(format!("there is no file {path} to remove")),
            }
        }
        SourceBundle::pack(&files).map_err(|error| error.to_string())
    }
}

/// Makes a version live, and waits until all consumers have moved.
///
/// # Errors
/// Why the version was refused, or which consumers lost their state.
pub(super) async fn deploy(
    server: &InMemoryServer,
    plugin: &str,
    build: Build,
) -> Result<Reply, String> {
    let outcome = server.deploy(plugin, build);
    let outcome = outcome.ok_or("the host does not serve the plugin")?.await;
    match outcome.map_err(|error| error.to_string())? {
        DeployOutcome::Live(report) => check_moves(&report),
        DeployOutcome::Refused(error) => Err(format!("the version was refused: {error}")),
        DeployOutcome::Pending { extra_capabilities, .. } => {
            Err(format!("the version requests more capabilities: {extra_capabilities}"))
        }
        DeployOutcome::Unchanged(_) | DeployOutcome::Superseded => {
            Err("the version is live already".to_owned())
        }
    }
}

/// The reply about a live version, if no consumer lost its state.
fn check_moves(report: &DeployReport) -> Result<Reply, String> {
    let stats = &report.stats;
    if stats.restarted + stats.closed + stats.kept_old > 0 {
        return Err(format!("not all consumers have moved: {report}"));
    }
    Ok(Reply::Swapped { version: report.version.short_hex(), moved: stats.moved })
}

/// Reads a file of the plugin.
///
/// # Errors
/// If the path leaves the folder of the plugin, or the file cannot be read.
pub(super) fn read_file(plugin: &TestPlugin, path: &str) -> Result<Reply, String> {
    let file = path_in(plugin, path)?;
    let bytes = std::fs::read(file).map_err(|error| format!("cannot read {path}: {error}"))?;
    Ok(Reply::Content(ReplyData::from_bytes(bytes)))
}

/// A path below the folder of the plugin.
fn path_in(plugin: &TestPlugin, path: &str) -> Result<PathBuf, String> {
    let relative = Path::new(path);
    let is_below = relative.components().all(|part| matches!(part, Component::Normal(_)));
    if !is_below || path.is_empty() {
        return Err(format!("{path:?} is not a path below the folder of the plugin"));
    }
    let folder = plugin.folder.canonicalize().map_err(|error| error.to_string())?;
    let file = folder.join(relative);
    let file = file.canonicalize().map_err(|error| format!("cannot read {path}: {error}"))?;
    match file.starts_with(&folder) {
        true => Ok(file),
        false => Err(format!("{path:?} leads out of the folder of the plugin")),
    }
}
