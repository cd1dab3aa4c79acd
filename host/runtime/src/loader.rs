//! From a component's file to a plugin that can serve.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, OnceLock};

use thiserror::Error;
use tokio::sync::watch;

use crate::build::Build;
use crate::compat;
use crate::engine::Engine;
use crate::plugin::Plugin;
use crate::scheduling::{ExecutionModeState, GuestThreadPool};
use crate::store::HostServices;
use crate::store::LogLimiter;
use crate::store::VersionContext;
use crate::store::{InstanceLimits, MAX_TABLE_ELEMENTS, UNCOUNTED_MEMORY_BYTES};
use crate::version::{Version, VersionError};
use narrowboat_channels::ChannelLayer;
use narrowboat_config::signature::{SignatureError, TrustedKeys};
use narrowboat_config::{ConfigError, FailedMovePolicy, Limits, PluginConfig, PluginUse};
use narrowboat_core::capabilities::Capabilities;
use narrowboat_core::component::{self, ComponentError, ComponentInfo, Role};
use narrowboat_core::fault::GuestFault;
use narrowboat_core::manifest::{ExecutionMode, Isolation, Manifest, ManifestError};
use narrowboat_core::name::Tenant;
use narrowboat_egress::Egress;
use narrowboat_keyvalue::KeyvalueStore;
use narrowboat_quota::QuotaChain;

/// Panics of a version that are logged a second.
const PANIC_LINES_PER_SECOND: u64 = 2;

/// What loading a plugin needs besides its own configuration.
pub struct Loader {
    /// Compiles and runs it.
    pub engine: Engine,
    /// Whose plugins these are.
    pub tenant: Tenant,
    /// What its consumers talk through.
    pub layer: Arc<dyn ChannelLayer>,
    /// Where it keeps keys and values, if it may.
    pub keyvalue: Arc<KeyvalueStore>,
    /// What sends its requests, if it may make any.
    pub egress: Arc<Egress>,
    /// The largest message of the layer, in bytes.
    pub max_message_bytes: usize,
    /// The largest frame any route takes, in bytes.
    pub max_frame_bytes: usize,
    /// Where its long calls run.
    pub thread_pool: GuestThreadPool,
    /// What it may have unless it or the operator says less.
    pub limits: Limits,
    /// What it may use, and what it uses.
    pub quota: Arc<QuotaChain>,
    /// Who has to have signed it; `None` if nobody has to.
    pub signers: Option<Arc<TrustedKeys>>,
}

/// A version that may become a plugin's live one.
pub struct Candidate {
    /// Compiled and checked against the world.
    pub version: Arc<Version>,
    /// What its manifest and the configuration agree on.
    pub isolation: Isolation,
}

/// Why a plugin cannot be loaded.
#[derive(Debug, Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error("plugin {plugin:?}: {}: {source}", file.display())]
    Read {
        /// As the configuration calls it.
        plugin: String,
        /// Where its component should be.
        file: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Nobody who has to has signed it.
    #[error("plugin {plugin:?}: {} {source}", file.display())]
    Signature {
        /// As the configuration calls it.
        plugin: String,
        /// Where its component is.
        file: PathBuf,
        /// What is wrong.
        source: SignatureError,
    },
    /// The bytes are no component.
    #[error("plugin {plugin:?}: {} {source}", file.display())]
    Component {
        /// As the configuration calls it.
        plugin: String,
        /// Where its component is.
        file: PathBuf,
        /// What is wrong.
        source: ComponentError,
    },
    /// The component does not fit this host.
    #[error("plugin {plugin:?}: {} {source}", file.display())]
    Version {
        /// As the configuration calls it.
        plugin: String,
        /// Where its component is.
        file: PathBuf,
        /// What is wrong.
        source: VersionError,
    },
    /// Its manifest is wrong.
    #[error("plugin {plugin:?}: {}: manifest: {source}", file.display())]
    Manifest {
        /// As the configuration calls it.
        plugin: String,
        /// Where its component is.
        file: PathBuf,
        /// What is wrong.
        source: ManifestError,
    },
    /// No instance of it can be made.
    #[error("plugin {plugin:?}: {} cannot start: {source}", file.display())]
    Start {
        /// As the configuration calls it.
        plugin: String,
        /// Where its component is.
        file: PathBuf,
        /// What failed.
        source: GuestFault,
    },
    /// The operator's configuration and the manifest do not agree.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

/// What a component's manifest requests, whether or not it is granted; `file` is where it came from.
///
/// # Errors
/// When it is no component, or its manifest is wrong.
pub fn requested_capabilities(
    plugin: &str,
    file: &Path,
    build: &Build,
) -> Result<Capabilities, LoadError> {
    parse_component(plugin, file, build).map(|(_, manifest)| manifest.capabilities)
}

/// What a component says of itself.
fn parse_component<'a>(
    plugin: &str,
    file: &Path,
    build: &'a Build,
) -> Result<(ComponentInfo<'a>, Manifest), LoadError> {
    let (plugin, file) = (plugin.to_owned(), file.to_owned());
    let summary = match component::parse_plugin(build.bytes()) {
        Ok(summary) => summary,
        Err(source) => return Err(LoadError::Component { plugin, file, source }),
    };
    match summary.manifest.map(Manifest::parse) {
        Some(Ok(manifest)) => Ok((summary, manifest)),
        Some(Err(source)) => Err(LoadError::Manifest { plugin, file, source }),
        None => Ok((summary, Manifest { name: plugin, ..Manifest::default() })),
    }
}

impl Loader {
    /// Reads the component of a plugin.
    ///
    /// # Errors
    /// [`LoadError::Read`].
    pub fn read_build(&self, name: &str, file: &Path) -> Result<Build, LoadError> {
        let plugin = self.tenant.plugin_label(name);
        Build::read(file, self.limits.max_component).map_err(|source| LoadError::Read {
            plugin,
            file: file.to_owned(),
            source,
        })
    }

    /// Makes a plugin of its first version. Takes a while: not for async threads.
    ///
    /// # Errors
    /// What is wrong, with the plugin and the file.
    pub fn load(
        &self,
        name: &str,
        config: &PluginConfig,
        file: &Path,
        build: &Build,
    ) -> Result<Plugin, LoadError> {
        let Candidate { version, isolation } = self.compile_version(name, config, file, build)?;
        let label = self.tenant.plugin_label(name);
        let own_name = version.manifest_name();
        // One component may serve several plugins, so that this is no error.
        if own_name != name && own_name != label {
            tracing::info!(plugin = &*label, "its component's manifest is of {own_name:?}");
        }
        // What cannot start now would turn away every client later.
        if let Err(source) = Arc::clone(&version).try_start() {
            let (plugin, file) = (self.tenant.plugin_label(name), file.to_owned());
            return Err(LoadError::Start { plugin, file, source });
        }
        Ok(Plugin {
            name: Arc::from(name),
            label: self.tenant.plugin_label(name).into(),
            tenant: self.tenant.clone(),
            isolation,
            instance_count: config.instances,
            overflow: config.overflow,
            failed_move: resolve_failed_move(name, config, isolation)?,
            rollback: config.rollback,
            executor: self.thread_pool.plugin_executor(Arc::clone(&self.quota)),
            quota: Arc::clone(&self.quota),
            known_versions: Mutex::new(vec![Arc::downgrade(&version)]),
            live_version: watch::Sender::new(version),
        })
    }

    /// Checks and compiles a component; `file` is where it came from. Takes a while: not for async
    /// threads.
    ///
    /// # Errors
    /// What is wrong, with the plugin and the file.
    pub fn compile_version(
        &self,
        name: &str,
        config: &PluginConfig,
        file: &Path,
        build: &Build,
    ) -> Result<Candidate, LoadError> {
        // Before any of it is read.
        config.check_pin(name, build.digest())?;
        let (plugin, file) = (self.tenant.plugin_label(name), file.to_owned());
        if let Err(source) = self.check_signature(build) {
            return Err(LoadError::Signature { plugin, file, source });
        }
        let (summary, manifest) = parse_component(&plugin, &file, build)?;
        let limits = self.limits.narrowed_by(&config.limits);
        if let Err(source) =
            summary.resources.check_limits(limits.memory, MAX_TABLE_ELEMENTS as u64)
        {
            return Err(LoadError::Component { plugin, file, source });
        }
        config.check_grants(name, &manifest.capabilities)?;
        if let Err(misfit) = compat::check_names(&summary.imports) {
            return Err(LoadError::Version { plugin, file, source: misfit.into() });
        }
        check_uses(name, config, &file, &summary)?;
        let has_manifest = summary.manifest.is_some();
        let isolation = resolve_isolation(config, &manifest, has_manifest).map_err(|problem| {
            config.isolation_location.invalid(&format!("plugins.{name}.isolation"), problem)
        })?;
        let beyond = HostServices {
            keyvalue: Arc::clone(&self.keyvalue),
            egress: Arc::clone(&self.egress),
            stopping: self.engine.subscribe_stopping(),
            capabilities: manifest.capabilities.clone(),
            quota: Arc::clone(&self.quota),
        };
        let around = VersionContext {
            plugin: Arc::from(plugin.as_str()),
            manifest_name: manifest.name.clone(),
            tenant: self.tenant.clone(),
            layer: Arc::clone(&self.layer),
            services: Arc::new(beyond),
            limits: self.instance_limits(&limits, &manifest),
            execution_mode: ExecutionModeState::new(execution_mode(&manifest)),
            capabilities: manifest.capabilities,
            usage: Arc::default(),
            core_instance_count: summary.resources.core_instances,
            pool_slots: OnceLock::new(),
            log_limiter: LogLimiter::new(limits.log_lines_per_second),
            panic_limiter: LogLimiter::new(PANIC_LINES_PER_SECOND),
            quota: Arc::clone(&self.quota),
            was_denied: AtomicBool::new(false),
            version: build.digest().short_hex(),
        };
        match Version::compile(&self.engine, build, Arc::new(around)) {
            Ok(version) => Ok(Candidate { version: Arc::new(version), isolation }),
            Err(source) => Err(LoadError::Version { plugin, file, source }),
        }
    }

    /// Whether those have signed it who have to, if anybody has. Of large ones that takes a while: not
    /// for async threads.
    ///
    /// # Errors
    /// Why it is not trusted.
    pub fn check_signature(&self, build: &Build) -> Result<(), SignatureError> {
        self.signers.as_ref().map_or(Ok(()), |signers| build.check_signature(signers))
    }

    /// The least of what the operator gives and the plugin wants.
    fn instance_limits(&self, limits: &Limits, manifest: &Manifest) -> InstanceLimits {
        let wanted = &manifest.limits;
        InstanceLimits {
            memory: min_limit(limits.memory, wanted.memory).bytes(),
            // Strangers might write all of it, in every instance.
            uncounted_memory: if self.tenant.is_default() { UNCOUNTED_MEMORY_BYTES } else { 0 },
            call_time: min_limit(limits.call_time, wanted.call_time).duration(),
            worker_time: min_limit(limits.worker_time, wanted.worker_time).duration(),
            wait_time: limits.wait_time.duration(),
            timers: limits.timers,
            snapshot: limits.snapshot.bytes(),
            max_message_bytes: self.max_message_bytes,
            max_frame_bytes: self.max_frame_bytes,
        }
    }
}

/// What may wait does so on guest threads.
fn execution_mode(manifest: &Manifest) -> ExecutionMode {
    if manifest.capabilities.may_wait_on_io() { ExecutionMode::Thread } else { manifest.execution }
}

fn min_limit<T: Ord>(operator: T, plugin: Option<T>) -> T {
    plugin.into_iter().fold(operator, Ord::min)
}

/// A component has to export what routes and workers use its plugin as.
fn check_uses(
    name: &str,
    config: &PluginConfig,
    file: &Path,
    component: &ComponentInfo<'_>,
) -> Result<(), ConfigError> {
    for PluginUse { role, key, location: place } in &config.uses {
        if !component.roles().any(|exported| exported == *role) {
            let (what, instead) = match role {
                Role::Consumer => ("consumer of connections", "[[workers]] binds a worker"),
                Role::Worker => ("worker", "[[routes]] lead to a consumer of connections"),
            };
            let problem = format!(
                "plugin {name:?} is no {what}: {} exports {}, and not {}; {instead}",
                file.display(),
                component.exports.join(", "),
                role.interface(),
            );
            return Err(place.invalid(key, problem));
        }
    }
    Ok(())
}

/// What happens to a consumer that cannot move. One of many in an instance cannot stay behind.
fn resolve_failed_move(
    name: &str,
    config: &PluginConfig,
    isolation: Isolation,
) -> Result<FailedMovePolicy, ConfigError> {
    match (config.on_failed_move, isolation) {
        (Some(FailedMovePolicy::KeepOld), Isolation::Shared) => {
            let problem = "\"keep-old\" is for an instance a connection; the consumers of a \
                           shared instance move together or not at all unless this is \
                           \"restart\" or \"close\"";
            let key = format!("plugins.{name}.on_failed_move");
            Err(config.on_failed_move_location.invalid(&key, problem))
        }
        (policy, _) => Ok(policy.unwrap_or_default()),
    }
}

/// An instance a connection is narrower than a shared one; the operator may only narrow.
fn resolve_isolation(
    config: &PluginConfig,
    manifest: &Manifest,
    has_manifest: bool,
) -> Result<Isolation, String> {
    let isolation = match (config.isolation, manifest.isolation) {
        (Some(Isolation::Shared), _) if !has_manifest => {
            return Err("is \"shared\", but the component has no manifest, and such a plugin has an \
                        instance a connection; `isolation = \"shared\"` belongs into a plugin.toml, \
                        which `narrowboat plugin build` puts into the component"
                .to_owned());
        }
        (Some(Isolation::Shared), Isolation::Connection) => {
            return Err("is \"shared\", but the plugin's manifest asks for an instance a \
                        connection; a configuration may only narrow a manifest, so that `isolation = \
                        \"shared\"` belongs into its plugin.toml"
                .to_owned());
        }
        (Some(wanted), _) => wanted,
        (None, manifest) => manifest,
    };
    if config.instances > 1 && isolation == Isolation::Connection {
        return Err("instances is set, but the plugin runs an instance a connection; leave \
                    `instances` out"
            .to_owned());
    }
    Ok(isolation)
}

#[cfg(test)]
mod tests {
    use super::*;
    use narrowboat_config::Config;

    fn problem(manifest: &Manifest, has_manifest: bool) -> String {
        let text = "[plugins.echo]\ncomponent = \"echo.wasm\"\nisolation = \"shared\"\n";
        let config = Config::parse(text, Path::new("narrowboat.toml")).unwrap();
        let plugin = &config.tenants[&Tenant::default_tenant()].plugins["echo"];
        resolve_isolation(plugin, manifest, has_manifest).unwrap_err()
    }

    #[test]
    fn whoever_shares_an_instance_says_so_in_a_manifest() {
        let manifest = Manifest::parse(b"name = \"echo\"").unwrap();
        let without = problem(&manifest, false);
        assert!(without.contains("has no manifest"), "{without}");
        assert!(without.contains("plugin.toml") && without.contains("narrowboat plugin build"));
        assert!(!without.contains("manifest asks for"), "{without}");
        assert!(problem(&manifest, true).contains("may only narrow a manifest"));
    }
}
