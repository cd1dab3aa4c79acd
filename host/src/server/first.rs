//! Which version a plugin begins with: what its file holds, or what was deployed since that was
//! written.

use std::path::Path;

use crate::config::PluginConfig;
use crate::plugin::{Build, LoadError, Loader, Plugin};
use crate::versions::{Shelf, ShelfError};

/// Loads a plugin. A version that was deployed comes back, unless the file has changed since; and the one
/// that was live, where the file holds something that is not signed as it has to be.
pub(super) fn load(
    loader: &Loader,
    name: &str,
    config: &PluginConfig,
    file: &Path,
    shelf: Option<&Shelf>,
) -> Result<Plugin, LoadError> {
    let build = loader.read(name, file)?;
    let Some(shelf) = shelf else { return loader.load(name, config, file, &build) };
    let distrust = loader.check_signature(&build).err();
    let kept = match &distrust {
        None => deployed(shelf, &build),
        Some(_) => shelf.live().map(|live| shelf.build(live.version)),
    };
    let load = |kept: Build| {
        let loaded = loader.load(name, config, Path::new("the kept version"), &kept);
        loaded.map_err(|error| error.to_string())
    };
    let kept = kept.map(|kept| kept.map_err(|error| error.to_string()).and_then(load));
    let (path, label) = (file.display(), loader.tenant.label(name));
    match (kept, distrust) {
        (Some(Ok(plugin)), None) => return Ok(plugin),
        (Some(Ok(plugin)), Some(distrust)) => {
            let live = plugin.live().digest().short();
            tracing::warn!(
                plugin = &*label,
                "{path} {distrust}; version {live}, which was live, is served instead"
            );
            return Ok(plugin);
        }
        (Some(Err(error)), None) => {
            tracing::warn!(plugin = &*label, "{error}; {path} is served instead");
        }
        // Of both only the file's error is the end.
        (Some(Err(error)), Some(_)) => tracing::warn!(plugin = &*label, "{error}"),
        (None, _) => {}
    }
    let plugin = loader.load(name, config, file, &build)?;
    if let Err(error) = note(shelf, &build) {
        tracing::warn!(plugin = &*label, "version {}: {error}", build.digest().short());
    }
    Ok(plugin)
}

/// The version that was live when the host ended, if it is another than the file's and the file has
/// said nothing new.
fn deployed(shelf: &Shelf, file: &Build) -> Option<Result<Build, ShelfError>> {
    let live = shelf.live()?.version;
    (shelf.knows_file(file.digest()) && live != file.digest()).then(|| shelf.build(live))
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
