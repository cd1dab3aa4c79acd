//! Which version a plugin begins with: what its file holds, or what was deployed since that was
//! written, or what was live where the file asks for more.

use std::io;
use std::path::Path;

use crate::capabilities::{Capabilities, on_top};
use crate::config::PluginConfig;
use crate::name::Tenant;
use crate::plugin::{self, Build, LoadError, Loader, Plugin};
use crate::signature::Distrust;
use crate::versions::{Shelf, ShelfError};

/// What errors call a version that is not the file's.
const KEPT: &str = "the kept version";

/// Loads a plugin. A version that was deployed comes back, unless the file has changed since; and the one that was live
/// goes on where the file's asks for more than that has, or is not signed as it has to be.
pub(super) fn load(
    loader: &Loader,
    name: &str,
    config: &PluginConfig,
    file: &Path,
    shelf: Option<&Shelf>,
) -> Result<Plugin, LoadError> {
    let build = loader.read(name, file)?;
    let Some(shelf) = shelf else { return loader.load(name, config, file, &build) };
    if let Err(distrust) = loader.check_signature(&build) {
        return trusted(loader, name, config, file, shelf, &build, &distrust);
    }
    let label = loader.tenant.label(name);
    let more = more_than_live(shelf, &label, file, &build);
    if let Some(more) = &more {
        config.check_pin(name, build.digest())?;
        config.check_grants(name, more)?;
        pend(shelf, &loader.tenant, name, file, &build, more);
    }
    let has_to_wait = more.is_some() || shelf.is_unapproved(build.digest());
    if let Some(deployed) = deployed(shelf, &build, has_to_wait) {
        match deployed.map_err(|error| error.to_string()).and_then(|deployed| {
            let loaded = loader.load(name, config, Path::new(KEPT), &deployed);
            loaded.map_err(|error| error.to_string())
        }) {
            Ok(plugin) => return Ok(plugin),
            Err(error) if has_to_wait => return Err(no_other(&label, file, &error)),
            Err(error) => {
                let file = file.display();
                tracing::warn!(plugin = &*label, "{error}; {file} is served instead");
            }
        }
    }
    let plugin = loader.load(name, config, file, &build)?;
    if let Err(error) = note(shelf, &build) {
        tracing::warn!(plugin = &*label, "version {}: {error}", build.digest().short());
    }
    Ok(plugin)
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

/// Has the file's version wait until somebody approves.
fn pend(
    shelf: &Shelf,
    tenant: &Tenant,
    name: &str,
    file: &Path,
    build: &Build,
    more: &Capabilities,
) {
    let (version, file, words) = (build.digest().short(), file.display(), more.words());
    let (label, which) = (tenant.label(name), tenant.arguments(name));
    tracing::warn!(
        plugin = &*label,
        "{file} waits for an approval, since it asks for more than the version that was live: {}; \
         `narrowboat approve {which} {version}` makes it live",
        on_top(&words)
    );
    let kept = shelf.pend(build, "file", words);
    if let Err(error) = kept.and_then(|()| shelf.note_file(build.digest())) {
        tracing::warn!(plugin = &*label, "version {version}: {error}");
    }
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

/// Notes that the file's version is live.
fn note(shelf: &Shelf, build: &Build) -> Result<(), ShelfError> {
    shelf.note_file(build.digest())?;
    if shelf.live().is_some_and(|live| live.version == build.digest()) {
        // It may have been signed since.
        return shelf.keep_signature(build);
    }
    shelf.keep(build, "file")?;
    shelf.publish(build.digest())
}
