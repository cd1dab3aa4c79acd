//! Which version a plugin begins with: what its file holds, or what was deployed since that was
//! written.

use std::path::Path;

use crate::config::PluginConfig;
use crate::plugin::{Build, LoadError, Loader, Plugin};
use crate::versions::{Shelf, ShelfError};

/// Loads a plugin. A version that was deployed comes back, unless the file has changed since.
pub(super) fn load(
    loader: &Loader,
    name: &str,
    config: &PluginConfig,
    file: &Path,
    shelf: Option<&Shelf>,
) -> Result<Plugin, LoadError> {
    let build = loader.read(name, file)?;
    let Some(shelf) = shelf else { return loader.load(name, config, file, &build) };
    if let Some(deployed) = deployed(shelf, &build) {
        match deployed.map_err(|error| error.to_string()).and_then(|deployed| {
            let loaded = loader.load(name, config, Path::new("the kept version"), &deployed);
            loaded.map_err(|error| error.to_string())
        }) {
            Ok(plugin) => return Ok(plugin),
            Err(error) => {
                let file = file.display();
                tracing::warn!(plugin = name, "{error}; {file} is served instead");
            }
        }
    }
    let plugin = loader.load(name, config, file, &build)?;
    if let Err(error) = note(shelf, &build) {
        tracing::warn!(plugin = name, "version {}: {error}", build.digest().short());
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
    if shelf.live().is_none_or(|live| live.version != build.digest()) {
        shelf.keep(build, "file")?;
        shelf.publish(build.digest())?;
    }
    Ok(())
}
