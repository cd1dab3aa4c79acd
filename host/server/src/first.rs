//! Which version a plugin begins with: what its file holds, or what was deployed since that was
//! written, or what was live where the file asks for more.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use narrowboat_config::PluginConfig;
use narrowboat_config::signature::Distrust;
use narrowboat_core::capabilities::{Capabilities, on_top};
use narrowboat_core::name::Tenant;
use narrowboat_deploy::versions::{Shelf, ShelfError};
use narrowboat_runtime::{self as plugin, Build, LoadError, Loader, Plugin};

/// What errors call a version that is not the file's.
const KEPT: &str = "the kept version";

/// A plugin that is loaded, and what has to be kept of that once it is served.
pub(super) struct First {
    pub(super) plugin: Plugin,
    pub(super) recording: Option<Recording>,
}

/// What is to be written down of a plugin's first version. Loading alone writes nothing, so that a configuration that is
/// refused after all has changed nothing.
pub(super) struct Recording {
    shelf: Arc<Shelf>,
    tenant: Tenant,
    plugin: String,
    file: PathBuf,
    build: Build,
    /// What the file's version asks for and the live one has not, if it has to wait; else it is served.
    more: Option<Capabilities>,
}

impl Recording {
    /// Writes it down. Not for async threads. A failure changes nothing of what is served, so it is only logged.
    pub(super) fn write(self) {
        let Self { shelf, tenant, plugin, file, build, more } = self;
        let (version, label) = (build.digest().short(), tenant.label(&plugin));
        let kept = match more {
            None => shelf.serve_file(&build),
            Some(more) => {
                let (file, words) = (file.display(), more.words());
                let which = tenant.arguments(&plugin);
                tracing::warn!(
                    plugin = &*label,
                    "{file} waits for an approval, since it asks for more than the version that was live: {}; \
                     `narrowboat approve {which} {version}` makes it live",
                    on_top(&words)
                );
                shelf.pend(&build, "file", words, Some(build.digest()))
            }
        };
        if let Err(error) = kept {
            tracing::warn!(plugin = &*label, "version {version}: {error}");
        }
    }
}

/// Loads a plugin. A version that was deployed comes back, unless the file has changed since; and the one that was live
/// goes on where the file's asks for more than that has, or is not signed as it has to be. Changes nothing on the shelf.
pub(super) fn load(
    loader: &Loader,
    name: &str,
    config: &PluginConfig,
    file: &Path,
    shelf: Option<&Arc<Shelf>>,
) -> Result<First, LoadError> {
    let build = loader.read(name, file)?;
    let unrecorded = |plugin| First { plugin, recording: None };
    let Some(shelf) = shelf else { return loader.load(name, config, file, &build).map(unrecorded) };
    if let Err(distrust) = loader.check_signature(&build) {
        let loaded = trusted(loader, name, config, file, shelf, &build, &distrust);
        return loaded.map(unrecorded);
    }
    let label = loader.tenant.label(name);
    let more = more_than_live(shelf, &label, file, &build);
    if let Some(more) = &more {
        config.check_pin(name, build.digest())?;
        config.check_grants(name, more)?;
    }
    let has_to_wait = more.is_some() || shelf.is_unapproved(build.digest());
    let kept = deployed(shelf, &build, has_to_wait);
    let recorded = |build, more| Recording {
        shelf: Arc::clone(shelf),
        tenant: loader.tenant.clone(),
        plugin: name.to_owned(),
        file: file.to_owned(),
        build,
        more,
    };
    if let Some(kept) = kept {
        match kept.map_err(|error| error.to_string()).and_then(|kept| {
            let loaded = loader.load(name, config, Path::new(KEPT), &kept);
            loaded.map_err(|error| error.to_string())
        }) {
            Ok(plugin) => {
                let recording = more.map(|more| recorded(build, Some(more)));
                return Ok(First { plugin, recording });
            }
            Err(error) if has_to_wait => return Err(no_other(&label, file, &error)),
            Err(error) => {
                let file = file.display();
                tracing::warn!(plugin = &*label, "{error}; {file} is served instead");
            }
        }
    }
    let plugin = loader.load(name, config, file, &build)?;
    Ok(First { plugin, recording: Some(recorded(build, None)) })
}

/// What is served where the file holds what is not trusted: the version that was live, if that still is.
fn trusted(
    loader: &Loader,
    name: &str,
    config: &PluginConfig,
    file: &Path,
    shelf: &Shelf,
    build: &Build,
    distrust: &Distrust,
) -> Result<Plugin, LoadError> {
    let (path, label) = (file.display(), loader.tenant.label(name));
    let load = |kept: Build| {
        let loaded = loader.load(name, config, Path::new(KEPT), &kept);
        loaded.map_err(|error| error.to_string())
    };
    let kept = shelf.live().map(|live| shelf.build(live.version));
    match kept.map(|kept| kept.map_err(|error| error.to_string()).and_then(load)) {
        Some(Ok(plugin)) => {
            let live = plugin.live().digest().short();
            tracing::warn!(
                plugin = &*label,
                "{path} {distrust}; version {live}, which was live, is served instead"
            );
            return Ok(plugin);
        }
        // Of both only the file's error is the end.
        Some(Err(error)) => tracing::warn!(plugin = &*label, "{error}"),
        None => {}
    }
    loader.load(name, config, file, build)
}

/// What the file's version asks for and the one that was live when the host ended has not, if the file is new and its
/// version was not approved before. What cannot be read asks for nothing that anybody could compare.
fn more_than_live(shelf: &Shelf, name: &str, file: &Path, build: &Build) -> Option<Capabilities> {
    let live = shelf.live()?.version;
    if shelf.knows_file(build.digest()) || shelf.is_cleared(build.digest()) {
        return None;
    }
    let live = plugin::asks(name, Path::new(KEPT), &shelf.build(live).ok()?).ok()?;
    let more = live.lacking(&plugin::asks(name, file, build).ok()?);
    (!more.is_empty()).then_some(more)
}

/// What is said where the file's version has to wait, and there is none that could be served meanwhile.
fn no_other(name: &str, file: &Path, error: &str) -> LoadError {
    let problem = format!(
        "{error}; {} waits for an approval and is not served instead, unless the plugin's folder below that of \
         [versions] is removed",
        file.display()
    );
    let source = io::Error::other(problem);
    LoadError::Read { plugin: name.to_owned(), file: KEPT.into(), source }
}

/// The version that was live when the host ended, if it is another than the file's and that has said nothing new or has
/// to wait.
fn deployed(shelf: &Shelf, file: &Build, has_to_wait: bool) -> Option<Result<Build, ShelfError>> {
    let live = shelf.live()?.version;
    let goes_on = has_to_wait || shelf.knows_file(file.digest());
    (goes_on && live != file.digest()).then(|| shelf.build(live))
}
