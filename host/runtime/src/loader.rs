//! Loads plugins from the files of their components.

mod load_error;
mod plugin_settings;
mod source_compiler;

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use crate::build::Build;
use crate::compat;
use crate::compilation::LoadCancellation;
use crate::engine::Engine;
use crate::language_runtime::{LanguageRuntimes, RuntimeError};
use crate::plugin::{Plugin, PublishedVersions};
use crate::scheduling::{ExecutionModeState, GuestThreadPool};
use crate::store::{
    HostServices, InstanceLimits, LogLimiter, MAX_TABLE_ELEMENTS, MemoryCounting, VersionContext,
};
use crate::version::Version;
use load_error::ErrorContext;
pub use load_error::LoadError;
use narrowboat_channels::ChannelLayer;
use narrowboat_config::signature::{SignatureError, TrustedKeys};
use narrowboat_config::{FailedMovePolicy, Limits, PluginConfig};
use narrowboat_core::capabilities::Capabilities;
use narrowboat_core::component::ComponentResources;
use narrowboat_core::manifest::{Isolation, Language, Manifest};
use narrowboat_core::name::Tenant;
use narrowboat_core::plugin_file::PluginFile;
use narrowboat_core::plugin_settings::PluginSettings;
use narrowboat_core::source_bundle::SourceBundle;
use narrowboat_egress::Egress;
use narrowboat_keyvalue::KeyvalueStore;
use narrowboat_quota::QuotaChain;
use narrowboat_schedule::WallClock;
use plugin_settings::{
    check_uses, execution_mode, min_limit, resolve_failed_move, resolve_isolation,
};
use source_compiler::compile_source;

/// Panics of one version that are logged a second.
const PANIC_LINES_PER_SECOND: u64 = 2;

/// Loads the plugins of a tenant.
pub struct Loader {
    /// The engine that compiles and runs the plugins.
    pub engine: Engine,
    /// The runtimes of source plugins.
    pub runtimes: Arc<LanguageRuntimes>,
    /// The tenant that owns the plugins.
    pub tenant: Tenant,
    /// The channel layer of their consumers.
    pub layer: Arc<dyn ChannelLayer>,
    /// The store of plugins that have the capability `keyvalue`.
    pub keyvalue: Arc<KeyvalueStore>,
    /// Sends the requests of plugins that have the capability `http`.
    pub egress: Arc<Egress>,
    /// The settings of the plugin, which all its versions share.
    pub settings: Arc<PluginSettings>,
    /// The wall clock of the host.
    pub clock: WallClock,
    /// The largest message of the layer, in bytes.
    pub max_message_bytes: usize,
    /// The largest frame that any route takes, in bytes.
    pub max_frame_bytes: usize,
    /// The threads for long calls.
    pub thread_pool: GuestThreadPool,
    /// The operator's limits. The configuration of a plugin and its manifest may narrow them.
    pub limits: Limits,
    /// The policy for consumers that cannot move, of plugins whose configuration has none.
    pub default_failed_move: FailedMovePolicy,
    /// The quota that the plugin is charged to.
    pub quota: Arc<QuotaChain>,
    /// The keys of which one must have signed each component; `None` if signatures are not required.
    pub signers: Option<Arc<TrustedKeys>>,
}

/// A version that may become a plugin's live version.
pub struct Candidate {
    /// The compiled version.
    pub version: Arc<Version>,
    /// The isolation on which the manifest and the configuration agree.
    pub isolation: Isolation,
}

/// Returns the capabilities that the manifest of a component or a source bundle requests, whether or not they are
/// granted. `file` is named in errors.
///
/// # Errors
/// If the bytes are not the file of a plugin, or its manifest is wrong.
pub fn requested_capabilities(
    plugin: &str,
    file: &Path,
    build: &Build,
) -> Result<Capabilities, LoadError> {
    let (_, manifest) = parse_plugin_file(ErrorContext { plugin, file }, build)?;
    Ok(manifest.capabilities)
}

/// Parses a component or a source bundle, and its manifest. A component without a manifest gets a default manifest.
fn parse_plugin_file<'a>(
    at: ErrorContext<'_>,
    build: &'a Build,
) -> Result<(PluginFile<'a>, Manifest), LoadError> {
    let parsed = PluginFile::parse(build.bytes()).map_err(|source| at.component(source))?;
    let manifest = parsed.manifest().map_err(|source| at.manifest(source))?;
    let default = || Manifest { name: at.plugin.to_owned(), ..Manifest::default() };
    Ok((parsed, manifest.unwrap_or_else(default)))
}

impl Loader {
    /// Reads the component of a plugin.
    ///
    /// # Errors
    /// [`LoadError::Read`].
    pub fn read_build(&self, name: &str, file: &Path) -> Result<Build, LoadError> {
        let plugin = &*self.tenant.plugin_label(name);
        let build = Build::read(file, self.limits.max_component);
        build.map_err(|source| ErrorContext { plugin, file }.read(source))
    }

    /// Creates a plugin from its first version. `file` is named in errors. Blocks while the component is compiled, so
    /// do not call it from async code.
    ///
    /// # Errors
    /// The problem, with the plugin and the file.
    pub fn load(
        &self,
        name: &str,
        config: &PluginConfig,
        file: &Path,
        build: &Build,
    ) -> Result<Plugin, LoadError> {
        let Candidate { version, isolation } =
            self.compile_version(name, config, file, build, &LoadCancellation::default())?;
        let label = &*self.tenant.plugin_label(name);
        let manifest_name = version.manifest_name();
        // Not an error: one component may serve several plugins.
        if manifest_name != name && manifest_name != label {
            tracing::info!(
                plugin = label,
                manifest_name,
                "the manifest of the component has another name"
            );
        }
        // A version that cannot start would reject every client later.
        let started = Arc::clone(&version).try_start();
        started.map_err(|source| ErrorContext { plugin: label, file }.start(source))?;
        Ok(Plugin {
            name: Arc::from(name),
            label: Arc::from(label),
            tenant: self.tenant.clone(),
            isolation,
            instance_count: config.instances,
            overflow: config.overflow,
            failed_move: resolve_failed_move(name, config, isolation)?
                .unwrap_or(self.default_failed_move),
            move_wait: config.move_wait.duration(),
            rollback: config.rollback,
            executor: self.thread_pool.plugin_executor(Arc::clone(&self.quota)),
            quota: Arc::clone(&self.quota),
            keyvalue: Arc::clone(&self.keyvalue),
            settings: Arc::clone(&self.settings),
            published: PublishedVersions::new(version),
        })
    }

    /// Checks and compiles a component. `file` is named in errors. Blocks while the component is compiled, so do not
    /// call it from async code. `cancellation` ends the compilation.
    ///
    /// # Errors
    /// The problem, with the plugin and the file.
    pub fn compile_version(
        &self,
        name: &str,
        config: &PluginConfig,
        file: &Path,
        build: &Build,
        cancellation: &LoadCancellation,
    ) -> Result<Candidate, LoadError> {
        // Checked before any of the bytes are parsed.
        config.check_pin(name, build.digest())?;
        let plugin = &*self.tenant.plugin_label(name);
        let at = ErrorContext { plugin, file };
        self.check_signature(build).map_err(|source| at.signature(source))?;
        let (parsed, manifest) = parse_plugin_file(at, build)?;
        let limits = self.limits.narrowed_by(&config.limits);
        config.check_grants(name, &manifest.capabilities)?;
        let has_manifest = match &parsed {
            PluginFile::Component(info) => info.manifest.is_some(),
            PluginFile::Bundle(_) => true,
        };
        let isolation = resolve_isolation(config, &manifest, has_manifest);
        let isolation = isolation.map_err(|problem| {
            config.isolation_location.invalid(&format!("plugins.{name}.isolation"), problem)
        })?;
        let version = match parsed {
            PluginFile::Component(info) => {
                let checked = info.resources.check_limits(limits.memory, MAX_TABLE_ELEMENTS as u64);
                checked.map_err(|source| at.component(source))?;
                compat::check_names(&info.imports).map_err(|source| at.version(source.into()))?;
                let ctx = self.new_context(plugin, &limits, &info.resources, manifest, build);
                check_uses(name, config, file, &info.roles().collect::<Vec<_>>())?;
                let version = Version::compile(&self.engine, build, Arc::new(ctx), cancellation);
                Arc::new(version.map_err(|source| at.version(source))?)
            }
            PluginFile::Bundle(bundle) => {
                let version = self.compile_source(plugin, &limits, &bundle, manifest, build);
                let version = version.map_err(|source| at.source(source))?;
                check_uses(name, config, file, &version.roles())?;
                version
            }
        };
        Ok(Candidate { version, isolation })
    }

    /// Compiles the source of a bundle with the runtime of its language.
    fn compile_source(
        &self,
        plugin: &str,
        limits: &Limits,
        bundle: &SourceBundle<'_>,
        manifest: Manifest,
        build: &Build,
    ) -> Result<Arc<Version>, RuntimeError> {
        let Some(settings) = manifest.source.clone() else {
            return Err(RuntimeError::NoRuntime);
        };
        let language = settings.runtime;
        let runtime = self.runtimes.get(&self.engine, language, build.runtime())?;
        let memory = min_limit(limits.memory, manifest.limits.memory);
        let needed = runtime.resources.initial_memory_bytes;
        if needed > memory.bytes() as u64 {
            return Err(RuntimeError::Memory { language, needed, most: memory });
        }
        let ctx = Arc::new(self.new_context(plugin, limits, &runtime.resources, manifest, build));
        compile_source(&self.engine, build, (bundle, &settings), runtime, ctx)
    }

    /// Checks that one of the trusted keys has signed the component, if signatures are required. Hashes all its bytes,
    /// so do not call it from async code.
    ///
    /// # Errors
    /// Why the component is not trusted.
    pub fn check_signature(&self, build: &Build) -> Result<(), SignatureError> {
        self.signers.as_ref().map_or(Ok(()), |signers| build.check_signature(signers))
    }

    /// Parses a source bundle, and returns it with its language.
    ///
    /// # Errors
    /// If the bytes are not a source bundle, or its manifest is wrong.
    pub(crate) fn parse_bundle<'a>(
        &self,
        plugin: &str,
        file: &Path,
        build: &'a Build,
    ) -> Result<(SourceBundle<'a>, Language), Box<LoadError>> {
        let at = ErrorContext { plugin, file };
        let no_source = || Box::new(at.source(RuntimeError::NoRuntime));
        let (parsed, manifest) = parse_plugin_file(at, build)?;
        match (parsed, manifest.source) {
            (PluginFile::Bundle(bundle), Some(source)) => Ok((bundle, source.runtime)),
            _ => Err(no_source()),
        }
    }

    pub(crate) fn new_context(
        &self,
        plugin: &str,
        limits: &Limits,
        resources: &ComponentResources,
        manifest: Manifest,
        build: &Build,
    ) -> VersionContext {
        let services = HostServices {
            keyvalue: Arc::clone(&self.keyvalue),
            egress: Arc::clone(&self.egress),
            settings: Arc::clone(&self.settings),
            clock: self.clock.clone(),
            stopping: self.engine.subscribe_stopping(),
            capabilities: manifest.capabilities.clone(),
            quota: Arc::clone(&self.quota),
        };
        VersionContext {
            plugin: Arc::from(plugin),
            tenant: self.tenant.clone(),
            layer: Arc::clone(&self.layer),
            services: Arc::new(services),
            limits: self.instance_limits(limits, &manifest, resources),
            execution_mode: ExecutionModeState::new(execution_mode(&manifest, &self.clock)),
            manifest_name: manifest.name,
            description: manifest.description,
            config_changed: manifest.config_changed,
            rooms: manifest.rooms.map(Arc::new),
            on_trap: manifest.on_trap,
            hibernate_after: manifest.hibernate_after,
            capabilities: manifest.capabilities,
            usage: Arc::default(),
            core_instance_count: resources.core_instances,
            pool_slots: OnceLock::new(),
            handles_alarms: OnceLock::new(),
            log_limiter: LogLimiter::new(limits.log_lines_per_second),
            panic_limiter: LogLimiter::new(PANIC_LINES_PER_SECOND),
            quota: Arc::clone(&self.quota),
            was_denied: AtomicBool::new(false),
            has_warned_not_requested: AtomicBool::new(false),
            version: build.digest().short_hex(),
        }
    }

    /// The smaller of the operator's limits and those that the manifest requests.
    fn instance_limits(
        &self,
        limits: &Limits,
        manifest: &Manifest,
        resources: &ComponentResources,
    ) -> InstanceLimits {
        let wanted = &manifest.limits;
        let initial_memory = resources.initial_memory_bytes;
        InstanceLimits {
            memory: min_limit(limits.memory, wanted.memory).bytes(),
            memory_counting: MemoryCounting::choose(initial_memory, self.tenant.is_default()),
            call_time: min_limit(limits.call_time, wanted.call_time).duration(),
            worker_time: min_limit(limits.worker_time, wanted.worker_time).duration(),
            load_time: limits.load_time.duration(),
            wait_time: limits.wait_time.duration(),
            timers: limits.timers,
            snapshot: limits.snapshot.bytes(),
            max_message_bytes: self.max_message_bytes,
            max_frame_bytes: self.max_frame_bytes,
        }
    }
}
