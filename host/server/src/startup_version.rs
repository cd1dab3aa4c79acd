//! Which version a plugin begins with: what its file holds, or what was deployed since that was
//! written, or what was live where the file requests more capabilities.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use narrowboat_config::PluginConfig;
use narrowboat_config::signature::SignatureError;
use narrowboat_core::capabilities::{Capabilities, format_missing};
use narrowboat_core::name::Tenant;
use narrowboat_deploy::versions::{PluginVersionStore, PluginVersionStoreError};
use narrowboat_runtime::{self as plugin, Build, LoadError, Loader, Plugin};

/// What errors call a version that is not the file's.
const KEPT_VERSION_LABEL: &str = "the kept version";

/// A plugin that is loaded, and what has to be kept of that once it is served.
pub(super) struct LoadedPlugin {
    pub(super) plugin: Plugin,
    pub(super) version_record: Option<DeferredVersionRecord>,
}

/// What is to be written down of a plugin's first version. Loading alone writes nothing, so that a configuration that is
/// refused after all has changed nothing.
pub(super) struct DeferredVersionRecord {
    versions: Arc<PluginVersionStore>,
    tenant: Tenant,
    plugin: String,
    file: PathBuf,
    build: Build,
    /// What the file's version asks for and the live one has not, if it has to wait; else it is served.
    extra_capabilities: Option<Capabilities>,
}

impl DeferredVersionRecord {
    /// Writes it down. Not for async threads. A failure changes nothing of what is served, so it is only logged.
    pub(super) fn persist(self) {
        let Self { versions: shelf, tenant, plugin, file, build, extra_capabilities: more } = self;
        let (version, label) = (build.digest().short_hex(), tenant.plugin_label(&plugin));
        let kept = match more {
            None => shelf.publish_file(&build),
            Some(more) => {
                let (file, words) = (file.display(), more.descriptions());
                let which = tenant.arguments(&plugin);
                tracing::warn!(
                    plugin = &*label,
                    "{file} waits for an approval, since it requests more capabilities than the version that was live: {}; \
                     `narrowboat approve {which} {version}` makes it live",
                    format_missing(&words)
                );
                shelf.store_pending(&build, "file", words, Some(build.digest()))
            }
        };
        if let Err(error) = kept {
            tracing::warn!(plugin = &*label, "version {version}: {error}");
        }
    }
}

/// Loads a plugin. A version that was deployed comes back, unless the file has changed since; and the one that was live
/// goes on where the file requests more capabilities than that has, or is not signed as it has to be. Changes nothing on the shelf.
pub(super) fn load(
    loader: &Loader,
    name: &str,
    config: &PluginConfig,
    file: &Path,
    shelf: Option<&Arc<PluginVersionStore>>,
) -> Result<LoadedPlugin, LoadError> {
    let build = loader.read_build(name, file)?;
    let unrecorded = |plugin| LoadedPlugin { plugin, version_record: None };
    let Some(shelf) = shelf else { return loader.load(name, config, file, &build).map(unrecorded) };
    if let Err(distrust) = loader.check_signature(&build) {
        let loaded = load_last_trusted(loader, name, config, file, shelf, &build, &distrust);
        return loaded.map(unrecorded);
    }
    let label = loader.tenant.plugin_label(name);
    let more = extra_capabilities(shelf, &label, file, &build);
    if let Some(more) = &more {
        config.check_pin(name, build.digest())?;
        config.check_grants(name, more)?;
    }
    let has_to_wait = more.is_some() || shelf.is_awaiting_approval(build.digest());
    let kept = deployed_version(shelf, &build, has_to_wait);
    let recorded = |build, more| DeferredVersionRecord {
        versions: Arc::clone(shelf),
        tenant: loader.tenant.clone(),
        plugin: name.to_owned(),
        file: file.to_owned(),
        build,
        extra_capabilities: more,
    };
    if let Some(kept) = kept {
        match kept.map_err(|error| error.to_string()).and_then(|kept| {
            let loaded = loader.load(name, config, Path::new(KEPT_VERSION_LABEL), &kept);
            loaded.map_err(|error| error.to_string())
        }) {
            Ok(plugin) => {
                let recording = more.map(|more| recorded(build, Some(more)));
                return Ok(LoadedPlugin { plugin, version_record: recording });
            }
            Err(error) if has_to_wait => return Err(no_fallback_error(&label, file, &error)),
            Err(error) => {
                let file = file.display();
                tracing::warn!(plugin = &*label, "{error}; {file} is served instead");
            }
        }
    }
    let plugin = loader.load(name, config, file, &build)?;
    Ok(LoadedPlugin { plugin, version_record: Some(recorded(build, None)) })
}

/// What is served where the file holds what is not trusted: the version that was live, if that still is.
fn load_last_trusted(
    loader: &Loader,
    name: &str,
    config: &PluginConfig,
    file: &Path,
    shelf: &PluginVersionStore,
    build: &Build,
    distrust: &SignatureError,
) -> Result<Plugin, LoadError> {
    let (path, label) = (file.display(), loader.tenant.plugin_label(name));
    let load = |kept: Build| {
        let loaded = loader.load(name, config, Path::new(KEPT_VERSION_LABEL), &kept);
        loaded.map_err(|error| error.to_string())
    };
    let kept = shelf.live().map(|live| shelf.load_build(live.version));
    match kept.map(|kept| kept.map_err(|error| error.to_string()).and_then(load)) {
        Some(Ok(plugin)) => {
            let live = plugin.live_version().digest().short_hex();
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
fn extra_capabilities(
    shelf: &PluginVersionStore,
    name: &str,
    file: &Path,
    build: &Build,
) -> Option<Capabilities> {
    let live = shelf.live()?.version;
    if shelf.is_known_source_hash(build.digest()) || shelf.is_preapproved(build.digest()) {
        return None;
    }
    let live = plugin::requested_capabilities(
        name,
        Path::new(KEPT_VERSION_LABEL),
        &shelf.load_build(live).ok()?,
    )
    .ok()?;
    let more = live.missing_for(&plugin::requested_capabilities(name, file, build).ok()?);
    (!more.is_empty()).then_some(more)
}

/// What is said where the file's version has to wait, and there is none that could be served meanwhile.
fn no_fallback_error(name: &str, file: &Path, error: &str) -> LoadError {
    let problem = format!(
        "{error}; {} waits for an approval and is not served instead, unless the plugin's folder below that of \
         [versions] is removed",
        file.display()
    );
    let source = io::Error::other(problem);
    LoadError::Read { plugin: name.to_owned(), file: KEPT_VERSION_LABEL.into(), source }
}

/// The version that was live when the host ended, if it is another than the file's and that has said nothing new or has
/// to wait.
fn deployed_version(
    shelf: &PluginVersionStore,
    file: &Build,
    has_to_wait: bool,
) -> Option<Result<Build, PluginVersionStoreError>> {
    let live = shelf.live()?.version;
    let goes_on = has_to_wait || shelf.is_known_source_hash(file.digest());
    (goes_on && live != file.digest()).then(|| shelf.load_build(live))
}
