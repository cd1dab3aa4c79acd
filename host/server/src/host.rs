//! The host: its tenants and all that it was configured with.

mod secrets;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::auth::users::UserAuthenticator;
use crate::auth::{AcceptedTokens, ApiTokens};
use crate::demo::EditorResources;
use crate::file_problems::{FileKind, FileProblems};
use crate::host_engine::HostEngine;
use crate::host_error::HostError;
use crate::host_mode::HostMode;
use crate::host_resources::HostResources;
use crate::shutdown_gate::ShutdownGate;
use crate::tenants::{
    CommittableTenants, DeferredVersionRecord, PreparedTenants, ReadyPlugin, ReloadReport,
    RetiredParts, TenantRegistry, persist_all,
};
use crate::tls::{TenantNames, Tls};
use narrowboat_config::signature::TrustedKeys;
use narrowboat_config::{AllowLists, Config, Limits, ProxyConfig, WatchMode};
use narrowboat_core::close_frame::CloseFrame;
use narrowboat_core::host_close::HostClose;
use narrowboat_deploy::versions::VersionStore;
use narrowboat_egress::Egress;
use narrowboat_keyvalue::KeyvalueStore;
use narrowboat_quota::QuotaNode;
use narrowboat_runtime::{
    ComponentCompiler, GuestThreadPool, LanguageRuntimes, Plugin, PoolUsage,
    run_on_dedicated_thread,
};
use narrowboat_schedule::{ScheduleServices, WallClock};

/// The number of times that a configuration is prepared again because another version became live meanwhile.
const MAX_PREPARE_ATTEMPTS: usize = 5;

/// A host: its tenants, and the parts that only a restart changes.
pub struct Host {
    /// The configuration that was applied last.
    config: RwLock<Arc<Config>>,
    /// The configuration that the host started with. Settings that are only read at start are compared with it.
    startup_config: Arc<Config>,
    /// When `config` was applied.
    config_applied_at: Mutex<Instant>,
    resources: HostResources,
    tenants: TenantRegistry,
    /// Lets one reload run at a time.
    reload_lock: Arc<Semaphore>,
    shutdown_gate: ShutdownGate,
    operator_tokens: AcceptedTokens,
    allow_lists: AllowLists,
    tls: Option<Arc<Tls>>,
    /// A time before the files of certificates and keys were read.
    read_at: SystemTime,
    file_problems: FileProblems,
    authenticator: Option<Arc<UserAuthenticator>>,
    proxy: Option<ProxyConfig>,
}

impl Host {
    /// Loads every plugin and opens the layers. With [`HostMode::Serve`], builds crates first. Calls `on_plugin_ready`
    /// with each plugin that was loaded. `compiler` compiles their components. Blocks: do not call it on an async thread.
    ///
    /// # Errors
    /// The failure, with the plugin at fault.
    pub fn load(
        config: Config,
        mode: HostMode,
        runtimes: LanguageRuntimes,
        compiler: ComponentCompiler,
        on_plugin_ready: impl Fn(&Plugin),
    ) -> Result<Self, HostError> {
        let versions = config.versions.as_ref();
        let store = versions
            .map(|versions| VersionStore::open(&versions.folder, versions.keep))
            .transpose()?;
        let earlier = store.as_ref().map(VersionStore::runtimes).unwrap_or_default();
        let engine = HostEngine::new(&config, runtimes.with_earlier(earlier), compiler)?;
        let resources = HostResources {
            version_store: store,
            ..open_resources(
                &config,
                mode,
                engine,
                Egress::new(config.requests),
                WallClock::default(),
            )?
        };
        Self::load_with(config, resources, on_plugin_ready)
    }

    /// Loads a host for a test of a plugin: without a store of versions, on an engine that several hosts share. Its
    /// plugins send requests with `egress`, and its wall clock is `clock`. Blocks: do not call it on an async thread.
    ///
    /// # Errors
    /// As [`Host::load`].
    pub fn load_for_test(
        config: Config,
        engine: HostEngine,
        egress: Egress,
        clock: WallClock,
    ) -> Result<Self, HostError> {
        let resources = open_resources(&config, HostMode::Serve, engine, egress, clock)?;
        Self::load_with(config, resources, |_| {})
    }

    fn load_with(
        config: Config,
        resources: HostResources,
        on_plugin_ready: impl Fn(&Plugin),
    ) -> Result<Self, HostError> {
        let read_at = SystemTime::now();
        let tenants = TenantRegistry::load(&resources, config.tenants.clone(), &on_plugin_ready)?;
        let authenticator = config.users.clone().map(UserAuthenticator::load).transpose()?;
        resources.mode.set_applied_config(&config);
        let config = Arc::new(config);
        let tls = config.tls.clone().map(Tls::load).transpose()?.map(Arc::new);
        let certificates = TenantNames::of_config(&config);
        let problems = tls.as_ref().map(|tls| tls.set_tenants(certificates)).unwrap_or_default();
        let file_problems = FileProblems::default();
        file_problems.set(FileKind::Certificates, problems);
        Ok(Self {
            resources,
            tenants,
            reload_lock: Arc::new(Semaphore::new(1)),
            shutdown_gate: ShutdownGate::default(),
            operator_tokens: AcceptedTokens::default(),
            allow_lists: config.allow_lists.clone(),
            tls,
            read_at,
            file_problems,
            authenticator: authenticator.map(Arc::new),
            proxy: config.proxy.clone(),
            config_applied_at: Mutex::new(Instant::now()),
            startup_config: Arc::clone(&config),
            config: RwLock::new(config),
        })
    }

    /// Sets the tokio runtime that the host runs on, and starts layers, rollouts and workers.
    pub(crate) fn attach_runtime(&self, tokio_handle: &Handle) {
        self.start_tenants(tokio_handle);
        self.resources.engine.attach_runtime(tokio_handle.clone());
    }

    /// Cancels all blocking waits of guests.
    pub(crate) fn cancel_guest_waits(&self) {
        self.resources.engine.cancel_waits();
    }

    /// Ends all rollouts, so that no consumer moves while the host stops. No other configuration is applied from now on.
    pub(crate) fn stop_rollouts(&self) {
        let stop = || self.tenants.all().values().for_each(|runtime| runtime.stop_rollouts());
        self.shutdown_gate.close_and(stop);
    }

    /// Waits until no room is awake, also of plugins that a reload has replaced.
    pub(crate) async fn wait_for_rooms(&self) {
        self.resources.room_owners.wait_until_free().await;
    }

    /// Stops all workers, and waits until `deadline` for the messages in flight.
    pub(crate) async fn stop_workers(&self, deadline: Instant) {
        let tenants = self.tenants.all();
        let workers: Vec<_> = tenants.values().flat_map(|runtime| runtime.workers()).collect();
        workers.iter().for_each(|worker| worker.stop());
        for worker in workers {
            if !worker.wait_until_done(deadline).await {
                tracing::warn!("workers did not finish their messages in time; they are lost");
            }
        }
    }

    /// Waits until each layer has sent its messages, or is disconnected.
    pub(crate) async fn flush_layers(&self) {
        for runtime in self.tenants.all().values() {
            runtime.flush_layers().await;
        }
    }

    /// Applies another configuration: prepares everything, which may fail and changes nothing; then commits it, which
    /// fails only if the host stops. Settings that are only read at start stay, and the report names them. The caller
    /// has to end the parts that are returned, and has to await the future to its end.
    ///
    /// # Errors
    /// The part that the host cannot apply. Nothing has changed then.
    pub(crate) async fn apply_config(
        self: &Arc<Self>,
        config: Config,
    ) -> Result<(ReloadReport, Vec<RetiredParts>), HostError> {
        let _permit = Arc::clone(&self.reload_lock).acquire_owned().await;
        let config = Arc::new(config);
        for _ in 0..MAX_PREPARE_ATTEMPTS {
            let (prepared, tokens) = self.prepare(&config).await?;
            if let Some(ready) = prepared.hold_versions().await {
                return self.commit(ready, tokens, config).await;
            }
        }
        Err(HostError::VersionsKeptChanging)
    }

    /// Builds the tenants of another configuration, and reads the operator's tokens.
    async fn prepare(
        self: &Arc<Self>,
        config: &Arc<Config>,
    ) -> Result<(PreparedTenants, Option<ApiTokens>), HostError> {
        let (host, config) = (Arc::clone(self), Arc::clone(config));
        let prepared = run_on_dedicated_thread(move || {
            let admin = config.admin.as_ref().filter(|_| host.operator_tokens.is_enabled());
            let tokens = admin.map(ApiTokens::read).transpose().map_err(HostError::Token)?;
            let tenants = host.tenants.prepare(&host.resources, config.tenants.clone())?;
            Ok((tenants, tokens))
        });
        prepared.await.ok_or(HostError::NoThread)?
    }

    /// Installs prepared tenants, unless the host stops: nothing has changed then. Failures to write to the disk are
    /// logged.
    async fn commit(
        &self,
        ready: CommittableTenants,
        tokens: Option<ApiTokens>,
        config: Arc<Config>,
    ) -> Result<(ReloadReport, Vec<RetiredParts>), HostError> {
        let CommittableTenants { tenants, new_plugins, version_records, version_holds } = ready;
        let installed = self.shutdown_gate.run_unless_closed(|| self.tenants.install(tenants));
        let (mut report, retired) = installed.ok_or(HostError::Stopping)?;
        new_plugins.iter().for_each(ReadyPlugin::log);
        report.restart_required = self.startup_config.changed_startup_keys(&config);
        report.previous_config_age = self.mark_config_applied();
        self.resources.mode.set_applied_config(&config);
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = config;
        if let Some(tokens) = tokens {
            self.operator_tokens.replace(tokens);
        }
        retired.iter().flat_map(|retired| &retired.workers).for_each(|worker| worker.stop());
        retired.iter().flat_map(|retired| &retired.plugins).for_each(|served| served.retire());
        // The rollouts of replaced plugins have ended.
        drop(version_holds);
        self.set_tenant_certificates().await;
        persist(version_records).await;
        // If the host stops meanwhile, it has stopped these tenants too, and they must not start.
        self.shutdown_gate.run_unless_closed(|| self.start_tenants(&Handle::current()));
        Ok((report, retired))
    }

    /// Starts the layers, rollouts and workers that do not run yet.
    pub(crate) fn start_tenants(&self, tokio_handle: &Handle) {
        self.tenants.all().values().for_each(|runtime| runtime.start(tokio_handle));
    }

    /// Records that a configuration is applied now, and returns the age of the one before.
    fn mark_config_applied(&self) -> Duration {
        let now = Instant::now();
        let mut applied_at = self.config_applied_at.lock().unwrap_or_else(PoisonError::into_inner);
        now - std::mem::replace(&mut *applied_at, now)
    }

    /// The Close frame for connections to a plugin that a reload has replaced or removed.
    pub(crate) fn retire_close_frame(&self, plugin: &Plugin) -> CloseFrame {
        let runtime = self.tenants.get(&plugin.tenant);
        let is_replaced = runtime.is_some_and(|runtime| runtime.rollout(&plugin.name).is_some());
        let close = if is_replaced { HostClose::PluginReloaded } else { HostClose::RouteRemoved };
        close.frame()
    }

    /// The configuration that was applied last.
    pub(crate) fn config(&self) -> Arc<Config> {
        Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The tenants.
    pub(crate) fn tenants(&self) -> &TenantRegistry {
        &self.tenants
    }

    /// The operator's tokens.
    pub(crate) fn operator_tokens(&self) -> &AcceptedTokens {
        &self.operator_tokens
    }

    /// The hosts and origins that requests may name.
    pub(crate) fn allow_lists(&self) -> &AllowLists {
        &self.allow_lists
    }

    /// The usage of the instance pool.
    pub(crate) fn pool_usage(&self) -> PoolUsage {
        self.resources.engine.pool_usage()
    }

    /// The number of compiled components of plugins in memory.
    pub(crate) fn component_count(&self) -> usize {
        self.resources.engine.component_count()
    }

    /// The quota that all tenants share.
    pub(crate) fn host_quota(&self) -> &QuotaNode {
        &self.resources.host_quota
    }

    /// The threads for long calls of guests.
    pub(crate) fn guest_threads(&self) -> &GuestThreadPool {
        &self.resources.guest_threads
    }

    /// The key-value store of plugins.
    pub(crate) fn keyvalue(&self) -> &KeyvalueStore {
        &self.resources.keyvalue
    }

    /// Whether the host runs for operators or for a developer.
    pub(crate) fn mode(&self) -> &HostMode {
        &self.resources.mode
    }

    /// How changed files are noticed; `None` if files are not watched.
    pub(crate) fn watch_mode(&self) -> Option<WatchMode> {
        self.config().watch
    }

    /// The keys that components must be signed with; `None` if signatures are not required.
    pub(crate) fn signers(&self) -> Option<&Arc<TrustedKeys>> {
        self.resources.signers.as_ref()
    }

    /// The authentication of users; `None` without `[users]`.
    pub(crate) fn authenticator(&self) -> Option<&Arc<UserAuthenticator>> {
        self.authenticator.as_ref()
    }

    /// The trusted proxies; `None` without `[proxy]`.
    pub(crate) fn proxy(&self) -> Option<&ProxyConfig> {
        self.proxy.as_ref()
    }

    /// TLS of the serving port; `None` without `[tls]`.
    pub(crate) fn tls(&self) -> Option<&Arc<Tls>> {
        self.tls.as_ref()
    }

    /// A time before the host read the files of certificates and keys.
    pub(crate) fn read_at(&self) -> SystemTime {
        self.read_at
    }

    /// The limits that the host started with.
    pub fn limits(&self) -> &Limits {
        &self.resources.limits
    }
}

/// Opens the resources that all tenants share, without a store of versions.
fn open_resources(
    config: &Config,
    mode: HostMode,
    engine: HostEngine,
    egress: Egress,
    clock: WallClock,
) -> Result<HostResources, HostError> {
    let HostEngine { engine, runtimes } = engine;
    let keyvalue = Arc::new(KeyvalueStore::open(&config.keyvalue)?);
    Ok(HostResources {
        editor: EditorResources::new(config, &mode).map(Arc::new),
        mode,
        engine,
        runtimes,
        guest_threads: GuestThreadPool::new(config.limits.guest_threads),
        limits: config.limits.clone(),
        version_store: None,
        has_demo_page: config.demo,
        signers: config.signatures.clone().map(TrustedKeys::load).transpose()?.map(Arc::new),
        room_owners: Arc::default(),
        schedules: ScheduleServices::new(Arc::clone(&keyvalue), clock),
        keyvalue,
        egress: Arc::new(egress),
        host_quota: Arc::new(QuotaNode::for_host(&config.limits)),
    })
}

/// Writes the records of versions to their stores.
async fn persist(version_records: Vec<DeferredVersionRecord>) {
    let persisted = run_on_dedicated_thread(move || {
        persist_all(version_records);
    });
    if persisted.await.is_none() {
        tracing::warn!(
            "cannot start a thread to store the versions of plugins; a restart may serve other versions"
        );
    }
}
