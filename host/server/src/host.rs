//! A host ready to serve: its plugins loaded, its routes and its layer in place.

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use thiserror::Error;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::users::{UserAuthError, UserAuthenticator};
use narrowboat_channels::{
    CapacityPatterns, ChannelLayer, LayerLimits, MemoryLayer, RedisLayer, RedisPubSubLayer,
};
use narrowboat_config::signature::TrustedKeys;
use narrowboat_config::{
    AllowLists, Config, ConfigError, LayerBackend, LayerConfig, Limits, PluginConfig, PluginSource,
    ProxyConfig, WatchMode,
};
use narrowboat_core::handshake_response::Rejection;
use narrowboat_deploy::packaging::{self, BuildError};
use narrowboat_deploy::versions::{StoreError, VersionStore};
use narrowboat_egress::Egress;
use narrowboat_keyvalue::KeyvalueStore;
use narrowboat_quota::{LimitKind, QuotaNode};
use narrowboat_runtime::{
    CodeCache, Engine, EngineError, GuestThreadPool, LoadError, Plugin, PoolUsage,
    run_on_dedicated_thread,
};
use narrowboat_session::{self as session, AcceptedConsumer, ConnectOutcome, Permits};
use narrowboat_websocket::connection::{ConnectionHandle, OutboundLimits};
use narrowboat_websocket::handshake::{Decision, HandshakeRequest};

use super::admin::{ApiTokens, OperatorTokens, TokenError};
use super::shutdown_gate::ShutdownGate;
use super::startup_version::DeferredVersionRecord;
use super::tenant_builder::HostResources;
use super::tenant_registry::{CommittableTenants, PreparedTenants, ReloadReport, TenantRegistry};
use super::tenant_runtime::RetiredParts;
use super::tls::{Tls, TlsError};

/// What a host serves, and with what.
pub struct Host {
    /// What it was made of, or was last asked to be.
    config: RwLock<Arc<Config>>,
    /// What it was made of. What of the file only a start reads is compared with this.
    startup_config: Arc<Config>,
    /// When the configuration was read that holds.
    config_applied_at: Mutex<Instant>,
    resources: HostResources,
    tenants: TenantRegistry,
    /// Changes come one at a time.
    reload_lock: Arc<Semaphore>,
    shutdown_gate: ShutdownGate,
    operator_tokens: OperatorTokens,
    allowed: AllowLists,
    tls: Option<Arc<Tls>>,
    authenticator: Option<Arc<UserAuthenticator>>,
    proxy: Option<ProxyConfig>,
}

/// Why a host cannot be made.
#[derive(Debug, Error)]
pub enum HostError {
    /// There is no room to run guests in.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A guest crate could not be built.
    #[error("plugin {plugin:?}: {source}")]
    Build {
        /// As the configuration calls it.
        plugin: String,
        /// What failed.
        source: BuildError,
    },
    /// A component could not be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// There are no keys to check tokens with.
    #[error(transparent)]
    Users(#[from] UserAuthError),
    /// There are no keys to check components with.
    #[error(transparent)]
    Signers(#[from] ConfigError),
    /// There is no certificate to show.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The system has no thread to load plugins on.
    #[error("no thread to load plugins on")]
    NoThread,
    /// A token cannot be had.
    #[error(transparent)]
    Token(TokenError),
    /// The versions that plugins have had cannot be kept.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A plugin got another version each time that the configuration was read.
    #[error("versions of plugins kept changing while the configuration was read; try again")]
    VersionsKeptChanging,
    /// The host ends, and nothing is started any more.
    #[error("the host is stopping")]
    Stopping,
}

/// How often a configuration is prepared again because a version became live meanwhile.
const MAX_PREPARE_ATTEMPTS: usize = 5;

/// What a scope's attribute is called that has the beginning of the path which routes do not see, as ASGI's `root_path`.
const ROOT_PATH_ATTRIBUTE: &str = "root_path";

impl Host {
    /// Builds what is to be built, loads every plugin and makes the layer. Takes a while: not for
    /// async threads. `tell` hears of each plugin that is ready.
    ///
    /// # Errors
    /// What failed, with the plugin at fault.
    pub fn load(config: Config, tell: impl Fn(&Plugin)) -> Result<Self, HostError> {
        let cache = config.cache.as_ref().map(CodeCache::open);
        let workers = config.tenants.values().flat_map(|tenant| &tenant.workers);
        let workers = workers.map(|worker| worker.instances).sum::<usize>();
        let instances = config.limits.max_connections.saturating_add(workers);
        let store = config.versions.as_ref();
        let store = store
            .map(|versions| VersionStore::open(&versions.folder, versions.keep))
            .transpose()?;
        let ground = HostResources {
            engine: Engine::new(instances, config.limits.memory.bytes(), cache)?,
            guest_threads: GuestThreadPool::new(config.limits.guest_threads),
            limits: config.limits.clone(),
            version_store: store,
            has_demo_page: config.demo,
            signers: config.signatures.clone().map(TrustedKeys::load).transpose()?.map(Arc::new),
            keyvalue: Arc::new(KeyvalueStore::open(&config.keyvalue)),
            egress: Arc::new(Egress::new(config.requests)),
            host_quota: Arc::new(QuotaNode::for_host(&config.limits)),
        };
        let worlds = TenantRegistry::load(&ground, config.tenants.clone(), &tell)?;
        let config = Arc::new(config);
        Ok(Self {
            resources: ground,
            tenants: worlds,
            reload_lock: Arc::new(Semaphore::new(1)),
            shutdown_gate: ShutdownGate::default(),
            operator_tokens: OperatorTokens::default(),
            allowed: config.allow_lists.clone(),
            tls: config.tls.clone().map(Tls::load).transpose()?.map(Arc::new),
            authenticator: config
                .users
                .clone()
                .map(UserAuthenticator::load)
                .transpose()?
                .map(Arc::new),
            proxy: config.proxy.clone(),
            config_applied_at: Mutex::new(Instant::now()),
            startup_config: Arc::clone(&config),
            config: RwLock::new(config),
        })
    }

    /// Names the runtime that it is served on, and starts what is not for a connection.
    pub(super) fn attach_runtime(&self, runtime: &Handle) {
        self.start_tenants(runtime);
        self.resources.engine.attach_runtime(runtime.clone());
    }

    /// Ends all waiting of guests.
    pub(super) fn cancel_guest_waits(&self) {
        self.resources.engine.cancel_waits();
    }

    /// Ends all swaps where they stand, so that nobody moves on the way out. No other configuration is followed any more.
    pub(super) fn stop_rollouts(&self) {
        let stop = || self.tenants.all().values().for_each(|world| world.stop_rollouts());
        self.shutdown_gate.close_and(stop);
    }

    /// Has no worker take a further message, and waits for those that were taken until `end`.
    pub(super) async fn stop_workers(&self, end: Instant) {
        let worlds = self.tenants.all();
        let workers: Vec<_> = worlds.values().flat_map(|world| world.workers()).collect();
        workers.iter().for_each(|worker| worker.stop());
        for worker in workers {
            if !worker.wait_until_done(end).await {
                tracing::warn!("workers were not done with their messages, which are lost");
            }
        }
    }

    /// Waits until what every layer was asked for has left, or it is away.
    pub(super) async fn flush_layers(&self) {
        for world in self.tenants.all().values() {
            world.flush_layers().await;
        }
    }

    /// What it was made of, or was last asked to be.
    pub(super) fn config(&self) -> Arc<Config> {
        Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The worlds of its tenants.
    pub(super) fn tenants(&self) -> &TenantRegistry {
        &self.tenants
    }

    /// Makes the tenants as another configuration wants them: first everything is prepared, which may fail and changes
    /// nothing; then it is committed, which fails only if the host stops. What only a start reads stays, and is told.
    /// What nothing leads to any more is left to whoever asked. Has to be awaited to its end.
    ///
    /// # Errors
    /// What cannot be; nothing has changed then.
    pub(super) async fn apply_config(
        self: &Arc<Self>,
        config: Config,
    ) -> Result<(ReloadReport, Vec<RetiredParts>), HostError> {
        let _turn = Arc::clone(&self.reload_lock).acquire_owned().await;
        let config = Arc::new(config);
        for _ in 0..MAX_PREPARE_ATTEMPTS {
            let (prepared, tokens) = self.prepare(&config).await?;
            if let Some(ready) = prepared.hold_versions().await {
                return self.commit(ready, tokens, config).await;
            }
        }
        Err(HostError::VersionsKeptChanging)
    }

    /// Makes what another configuration wants, and reads what it names.
    async fn prepare(
        self: &Arc<Self>,
        config: &Arc<Config>,
    ) -> Result<(PreparedTenants, Option<ApiTokens>), HostError> {
        let (host, config) = (Arc::clone(self), Arc::clone(config));
        let prepared = run_on_dedicated_thread(move || {
            let admin = config.admin.as_ref().filter(|_| host.operator_tokens.is_enabled());
            let tokens = admin.map(ApiTokens::read).transpose().map_err(HostError::Token)?;
            let worlds = host.tenants.prepare(&host.resources, config.tenants.clone())?;
            Ok((worlds, tokens))
        });
        prepared.await.ok_or(HostError::NoThread)?
    }

    /// Has what was prepared serve, unless the host stops: nothing has changed then. Nothing else of it can fail: what
    /// cannot be written to the disk is logged.
    async fn commit(
        &self,
        ready: CommittableTenants,
        tokens: Option<ApiTokens>,
        config: Arc<Config>,
    ) -> Result<(ReloadReport, Vec<RetiredParts>), HostError> {
        let CommittableTenants {
            tenants: all,
            new_plugins: fresh,
            version_records: recordings,
            version_holds: holds,
        } = ready;
        let put = self.shutdown_gate.run_unless_closed(|| self.tenants.install(all));
        let (mut changes, left) = put.ok_or(HostError::Stopping)?;
        fresh.iter().for_each(|plugin| tracing::info!(plugin, "is ready"));
        changes.restart_required = self.startup_config.changed_startup_keys(&config);
        changes.previous_config_age = self.mark_config_applied();
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = config;
        if let Some(tokens) = tokens {
            self.operator_tokens.replace(tokens);
        }
        left.iter().flat_map(|left| &left.workers).for_each(|worker| worker.stop());
        left.iter().flat_map(|left| &left.plugins).for_each(|served| served.retire());
        // Their swaps have ended.
        drop(holds);
        let recorded = run_on_dedicated_thread(move || {
            recordings.into_iter().for_each(DeferredVersionRecord::persist)
        });
        if recorded.await.is_none() {
            tracing::warn!("a restart may bring other versions back: no thread to write them down");
        }
        // If the host stops since, it has stopped these too, and they are not to begin.
        self.shutdown_gate.run_unless_closed(|| self.start_tenants(&Handle::current()));
        Ok((changes, left))
    }

    /// Starts what is not for a connection and not running yet.
    fn start_tenants(&self, runtime: &Handle) {
        self.tenants.all().values().for_each(|world| world.start(runtime));
    }

    /// Notes that a configuration is followed now, and says how long the one before was.
    fn mark_config_applied(&self) -> Duration {
        let now = Instant::now();
        let mut followed = self.config_applied_at.lock().unwrap_or_else(PoisonError::into_inner);
        now - std::mem::replace(&mut *followed, now)
    }

    /// Whose tokens the operator's interface takes.
    pub(super) fn operator_tokens(&self) -> &OperatorTokens {
        &self.operator_tokens
    }

    /// What of the pool that guests run in is in use.
    pub(super) fn pool_usage(&self) -> PoolUsage {
        self.resources.engine.pool_usage()
    }

    /// What all tenants together use, and may.
    pub(super) fn host_quota(&self) -> &QuotaNode {
        &self.resources.host_quota
    }

    /// Where plugins keep keys and values.
    pub(super) fn keyvalue(&self) -> &KeyvalueStore {
        &self.resources.keyvalue
    }

    /// How changed files are noticed, if they are to be.
    pub(super) fn watch_mode(&self) -> Option<WatchMode> {
        self.config().watch
    }

    /// Who has to have signed what runs here; `None` if nobody has to.
    pub(super) fn signers(&self) -> Option<&Arc<TrustedKeys>> {
        self.resources.signers.as_ref()
    }

    /// How it learns who somebody is.
    pub(super) fn authenticator(&self) -> Option<&Arc<UserAuthenticator>> {
        self.authenticator.as_ref()
    }

    /// The proxies before it.
    pub(super) fn proxy(&self) -> Option<&ProxyConfig> {
        self.proxy.as_ref()
    }

    /// How handshakes of TLS are answered, where clients come that way.
    pub(super) fn tls(&self) -> Option<&Arc<Tls>> {
        self.tls.as_ref()
    }

    /// The bounds it was made with.
    pub fn limits(&self) -> &Limits {
        &self.resources.limits
    }

    /// Has a handshake decided by the plugin its path leads to, or shows the demo page. The permit is kept until the
    /// consumer has been told of the connection's end, however it comes to that.
    ///
    /// # Errors
    /// The answer in place of an upgrade.
    pub(super) async fn decide_handshake(
        &self,
        mut opening: HandshakeRequest,
        permit: Arc<OwnedSemaphorePermit>,
    ) -> Result<Decision<Box<AcceptedConsumer>>, Rejection> {
        if let Some(proxy) = &self.proxy {
            opening = opening.with_forwarded_headers(proxy)?;
        }
        let path = opening.path()?;
        let Some((world, rest)) = self.tenants.match_request(opening.host(), &path) else {
            return Err(no_route_rejection());
        };
        // Whoever is told apart by hosts has said which ones those are.
        if let (Some(hosts), []) = (&self.allowed.hosts, &*world.request_matcher().hosts) {
            opening.check_host(hosts)?;
        }
        if let Some(document) = world.demo.as_ref().and_then(|demo| demo.respond(&opening)) {
            return Ok(Decision::Respond(document));
        }
        let Some(matched) = world.router.match_path(rest) else { return Err(no_route_rejection()) };
        opening.check_upgrade()?;
        if let Some(origins) = world.allowed_origins().or(self.allowed.origins.as_deref()) {
            opening.check_origin(origins)?;
        }
        let route = matched.route;
        let unavailable = |_| Rejection::plain_text(503, "this plugin is not available now\n");
        let roster = world.instance_registry(&route.plugin).ok_or(()).map_err(unavailable)?;
        // Before anybody is asked who it is: that, too, is something of which there is only so much.
        let admitted = roster
            .plugin()
            .quota
            .try_admit_connection(opening.client_addr().ip())
            .map_err(quota_rejection)?;
        let user = match &self.authenticator {
            Some(users) => users.authenticate(&opening).await?,
            None => None,
        };
        let mailbox = roster.layer().new_channel(&world.tenant).await.map_err(|error| {
            tracing::warn!(
                plugin = &*roster.plugin().label,
                "no channel for a connection: {error}"
            );
            unavailable(())
        })?;
        let max_message = route.max_message.unwrap_or(self.resources.limits.max_message).bytes();
        let outbound = OutboundLimits {
            max_queued_bytes: self.resources.limits.outbound_queue.bytes(),
            max_frame: max_message,
            overflow: roster.plugin().overflow,
        };
        let link = Arc::new(ConnectionHandle::new(
            mailbox.channel().clone(),
            outbound,
            Arc::clone(roster.traffic()),
        ));
        let mut scope = opening.into_scope(rest.to_owned(), matched.captures, user);
        if let Some(path) = &world.request_matcher().path {
            scope.attributes.push((ROOT_PATH_ATTRIBUTE.to_owned(), path.clone()));
        }
        let permits = Permits { host: permit, plugin: admitted };
        match session::connect_consumer(roster, mailbox, link, scope, permits).await {
            ConnectOutcome::Accepted(acceptance, joined) => {
                let deflate = route.deflate;
                Ok(Decision::Accept { acceptance, max_message, deflate, joined })
            }
            ConnectOutcome::Rejected(rejection) => Err(rejection),
        }
    }
}

/// The answer to a connection for which there is no room.
fn quota_rejection(bound: LimitKind) -> Rejection {
    let (status, words) = match bound {
        LimitKind::ConnectionsPerAddress => {
            (429, "this address has its limit of connections open; close one, or try again later\n")
        }
        LimitKind::Handshakes => (503, "too many new connections a second; try again later\n"),
        _ => (503, "the limit of open connections is reached; try again later\n"),
    };
    Rejection::plain_text(status, words).with_header("retry-after", "1")
}

fn no_route_rejection() -> Rejection {
    Rejection::plain_text(404, "no route matches this path\n")
}

/// Where a plugin's component lies, after it has been built if it is a crate.
pub(super) fn locate_component(name: &str, plugin: &PluginConfig) -> Result<PathBuf, HostError> {
    match &plugin.source {
        PluginSource::Component(file) => Ok(file.clone()),
        PluginSource::Crate(folder) => {
            let built = packaging::build(folder, None)
                .map_err(|source| HostError::Build { plugin: name.to_owned(), source })?;
            Ok(built.file)
        }
    }
}

/// What carries the messages of a layer, within the limits of a tenant.
pub fn open_layer(name: &str, config: &LayerConfig, limits: &Limits) -> Arc<dyn ChannelLayer> {
    let limits = LayerLimits { groups_per_channel: limits.groups, ..layer_limits(config) };
    match &config.backend {
        LayerBackend::Memory => Arc::new(MemoryLayer::new(limits)),
        LayerBackend::Redis(redis) => Arc::new(RedisLayer::new(name, redis, limits)),
        LayerBackend::RedisPubSub(redis) => Arc::new(RedisPubSubLayer::new(name, redis, limits)),
    }
}

fn layer_limits(config: &LayerConfig) -> LayerLimits {
    let patterns = config.channel_capacity.iter().map(|rule| (&rule.pattern, rule.capacity));
    LayerLimits {
        capacity: config.capacity,
        channel_capacity: CapacityPatterns::new(patterns),
        expiry: config.expiry.duration(),
        group_expiry: config.group_expiry.duration(),
        message_bytes: config.max_message.bytes(),
        mailbox_bytes: config.mailbox_bytes.bytes(),
        ..LayerLimits::default()
    }
}
