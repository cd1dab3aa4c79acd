//! The version that a plugin starts with: the one in its file, the one that was deployed since the file was written, or
//! the one that was live if the file may not be served yet.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::deferred_version_record::DeferredVersionRecord;
use narrowboat_config::PluginConfig;
use narrowboat_config::signature::SignatureError;
use narrowboat_core::capabilities::Capabilities;
use narrowboat_deploy::rollout::ChangePolicy;
use narrowboat_deploy::versions::{PluginVersionStore, PluginVersionStoreError};
use narrowboat_runtime::{self as plugin, Build, LoadError, Loader, Plugin};

/// The name of a version from the store in errors, where the name of a file would stand.
const KEPT_VERSION_LABEL: &str = "the kept version";

/// A plugin that was loaded, and the record to persist once it is served.
pub(super) struct LoadedPlugin {
    pub(super) plugin: Plugin,
    pub(super) version_record: Option<DeferredVersionRecord>,
}

/// Loads a plugin, whose file or folder now has the bytes of `build`. If they have not changed since, loads the version
/// that was deployed last. If the file requests more capabilities and `policy` does not approve them, or if it lacks a
/// required signature, loads the version that was live. Does not change the store.
///
/// # Errors
/// If neither the file nor the version in its place can be loaded.
pub(super) fn load(
    loader: &Loader,
    name: &str,
    config: &PluginConfig,
    file: &Path,
    build: Arc<Build>,
    policy: ChangePolicy,
    store: Option<&Arc<PluginVersionStore>>,
) -> Result<LoadedPlugin, LoadError> {
    let unrecorded = |plugin| LoadedPlugin { plugin, version_record: None };
    let Some(store) = store else { return loader.load(name, config, file, &build).map(unrecorded) };
    if let Err(error) = loader.check_signature(&build) {
        let plugin = load_last_trusted(loader, name, config, file, store, &build, &error);
        return plugin.map(unrecorded);
    }
    let label = loader.tenant.plugin_label(name);
    let awaits_approval = store.is_awaiting_approval(build.digest());
    // The loader checks that the configuration grants what the file requests.
    let is_approved = policy.approves_granted();
    let extra = if is_approved { None } else { extra_capabilities(store, &label, file, &build) };
    if let Some(extra) = &extra {
        config.check_pin(name, build.digest())?;
        config.check_grants(name, extra)?;
    }
    let needs_approval = !is_approved && (extra.is_some() || awaits_approval);
    let record = |extra_capabilities| DeferredVersionRecord {
        store: Arc::clone(store),
        tenant: loader.tenant.clone(),
        plugin: name.to_owned(),
        file: file.to_owned(),
        build: Arc::clone(&build),
        extra_capabilities,
    };
    let is_approved_now = is_approved && awaits_approval;
    let deployed = deployed_version(store, &build, needs_approval).filter(|_| !is_approved_now);
    if let Some(deployed) = deployed {
        match load_kept(loader, name, config, deployed) {
            Ok(plugin) => {
                let version_record = extra.map(|extra| record(Some(extra)));
                return Ok(LoadedPlugin { plugin, version_record });
            }
            Err(error) if needs_approval => return Err(no_fallback_error(&label, file, &error)),
            Err(error) => log_fallback_to_file(&label, file, &error),
        }
    }
    match loader.load(name, config, file, &build) {
        Ok(plugin) => Ok(LoadedPlugin { plugin, version_record: Some(record(None)) }),
        Err(error) => {
            let plugin = load_on_earlier_runtime(loader, name, config, store, &build, &error);
            plugin.map(unrecorded).ok_or(error)
        }
    }
}

/// Logs that the stored version cannot be loaded, so that the file is served in its place.
fn log_fallback_to_file(label: &str, file: &Path, error: &str) {
    let file = file.display();
    tracing::warn!(
        plugin = label,
        %file,
        error,
        "cannot load the stored version; the file is served instead"
    );
}

/// Loads the version that was live on the runtime that it ran on, because it does not load on the current one.
fn load_on_earlier_runtime(
    loader: &Loader,
    name: &str,
    config: &PluginConfig,
    store: &PluginVersionStore,
    build: &Build,
    error: &LoadError,
) -> Option<Plugin> {
    let live = store.live().filter(|live| live.version == build.digest())?;
    let earlier = live
        .runtime
        .filter(|runtime| build.runtime_image().is_none_or(|image| image.digest != *runtime))?;
    let plugin = load_kept(loader, name, config, store.load_build(live.version)).ok()?;
    let plugin_label = &*loader.tenant.plugin_label(name);
    let runtime = earlier.short_hex();
    tracing::warn!(
        plugin = plugin_label,
        runtime,
        %error,
        "cannot load the live version on the current runtime; it is served on its earlier one"
    );
    Some(plugin)
}

/// Loads a version from the store.
fn load_kept(
    loader: &Loader,
    name: &str,
    config: &PluginConfig,
    build: Result<Build, PluginVersionStoreError>,
) -> Result<Plugin, String> {
    let build = build.map_err(|error| error.to_string())?;
    let plugin = loader.load(name, config, Path::new(KEPT_VERSION_LABEL), &build);
    plugin.map_err(|error| error.to_string())
}

/// Loads the version that was live, because the file lacks a required signature.
///
/// # Errors
/// The error of the file, if the version that was live cannot be loaded either.
fn load_last_trusted(
    loader: &Loader,
    name: &str,
    config: &PluginConfig,
    file: &Path,
    store: &PluginVersionStore,
    build: &Build,
    signature_error: &SignatureError,
) -> Result<Plugin, LoadError> {
    let label = loader.tenant.plugin_label(name);
    let kept = store.live().map(|live| store.load_build(live.version));
    match kept.map(|kept| load_kept(loader, name, config, kept)) {
        Some(Ok(plugin)) => {
            let (file, live) = (file.display(), plugin.live_version().digest().short_hex());
            tracing::warn!(
                plugin = &*label,
                live,
                %file,
                error = %signature_error,
                "cannot trust the file; the version that was live is served instead"
            );
            return Ok(plugin);
        }
        Some(Err(error)) => {
            tracing::warn!(plugin = &*label, %error, "cannot load the stored version");
        }
        None => {}
    }
    loader.load(name, config, file, build)
}

/// The capabilities that a new file requests beyond those of the version that was live when the host stopped. `None` if
/// there are none, if the file is not new, if its version was approved before, or if either version cannot be read.
fn extra_capabilities(
    store: &PluginVersionStore,
    label: &str,
    file: &Path,
    build: &Build,
) -> Option<Capabilities> {
    let live = store.live()?.version;
    if store.is_known_source_hash(build.digest()) || store.is_preapproved(build.digest()) {
        return None;
    }
    let live = store.load_build(live).ok()?;
    let granted =
        plugin::requested_capabilities(label, Path::new(KEPT_VERSION_LABEL), &live).ok()?;
    let requested = plugin::requested_capabilities(label, file, build).ok()?;
    let extra = granted.missing_for(&requested);
    (!extra.is_empty()).then_some(extra)
}

/// The error if the file waits for approval and the version that was live cannot be loaded.
fn no_fallback_error(label: &str, file: &Path, error: &str) -> LoadError {
    let problem = format!(
        "{error}; {} waits for an approval and is not served instead, unless the plugin's folder below that of \
         [versions] is removed",
        file.display()
    );
    let source = io::Error::other(problem);
    LoadError::Read { plugin: label.to_owned(), file: KEPT_VERSION_LABEL.into(), source }
}

/// The version that was live when the host stopped, if it is served in place of the file: it is not the file's version,
/// and the file has not changed since or needs an approval.
fn deployed_version(
    store: &PluginVersionStore,
    file: &Build,
    needs_approval: bool,
) -> Option<Result<Build, PluginVersionStoreError>> {
    let live = store.live()?.version;
    let is_preferred = needs_approval || store.is_known_source_hash(file.digest());
    (is_preferred && live != file.digest()).then(|| store.load_build(live))
}
