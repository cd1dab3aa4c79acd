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

use crate::users::{Users, UsersError};
use narrowboat_channels::{
    CapacityPatterns, ChannelLayer, LayerLimits, MemoryLayer, RedisLayer, RedisPubSubLayer,
};
use narrowboat_config::signature::Signers;
use narrowboat_config::{
    Allowed, Backend, Config, ConfigError, LayerConfig, Limits, Noticing, PluginConfig,
    ProxyConfig, Source,
};
use narrowboat_core::answer::Rejection;
use narrowboat_deploy::packaging::{self, BuildError};
use narrowboat_deploy::versions::{StoreError, VersionStore};
use narrowboat_egress::Egress;
use narrowboat_keyvalue::Keyvalue;
use narrowboat_quota::{Bound, Meter};
use narrowboat_runtime::{
    CodeCache, Engine, EngineError, GuestThreads, LoadError, Plugin, Pool, aside,
};
use narrowboat_session::{self as session, Joined, Joining, Permits};
use narrowboat_websocket::connection::{Link, OutboundLimits};
use narrowboat_websocket::handshake::{Decision, Opening};

use super::admin::{Operators, TokenError, Tokens};
use super::first::Recording;
use super::making::Ground;
use super::stopping::Stopping;
use super::tls::{Tls, TlsError};
use super::world::Left;
use super::worlds::{Changes, Prepared, Ready, Worlds};

/// What a host serves, and with what.
pub struct Host {
    /// What it was made of, or was last asked to be.
    config: RwLock<Arc<Config>>,
    /// What it was made of. What of the file only a start reads is compared with this.
    started_with: Arc<Config>,
    /// When the configuration was read that holds.
    followed: Mutex<Instant>,
    ground: Ground,
    worlds: Worlds,
    /// Changes come one at a time.
    changing: Arc<Semaphore>,
    stopping: Stopping,
    operators: Operators,
    allowed: Allowed,
    tls: Option<Arc<Tls>>,
    users: Option<Arc<Users>>,
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
    Users(#[from] UsersError),
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
    Unsettled,
    /// The host ends, and nothing is started any more.
    #[error("the host is stopping")]
    Stopping,
}

/// How often a configuration is prepared again because a version became live meanwhile.
const ATTEMPTS: usize = 5;

/// What a scope's attribute is called that has the beginning of the path which routes do not see, as ASGI's `root_path`.
const ROOT_PATH: &str = "root_path";

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
        let ground = Ground {
            engine: Engine::new(instances, config.limits.memory.bytes(), cache)?,
            threads: GuestThreads::new(config.limits.guest_threads),
            limits: config.limits.clone(),
            store,
            demo: config.demo,
            signers: config.signatures.clone().map(Signers::open).transpose()?.map(Arc::new),
            keyvalue: Arc::new(Keyvalue::open(&config.keyvalue)),
            egress: Arc::new(Egress::new(config.requests)),
            meter: Arc::new(Meter::of_host(&config.limits)),
        };
        let worlds = Worlds::load(&ground, config.tenants.clone(), &tell)?;
        let config = Arc::new(config);
        Ok(Self {
            ground,
            worlds,
            changing: Arc::new(Semaphore::new(1)),
            stopping: Stopping::default(),
            operators: Operators::default(),
            allowed: config.allowed.clone(),
            tls: config.tls.clone().map(Tls::load).transpose()?.map(Arc::new),
            users: config.users.clone().map(Users::load).transpose()?.map(Arc::new),
            proxy: config.proxy.clone(),
            followed: Mutex::new(Instant::now()),
            started_with: Arc::clone(&config),
            config: RwLock::new(config),
        })
    }

    /// Names the runtime that it is served on, and starts what is not for a connection.
    pub(super) fn serves(&self, runtime: &Handle) {
        self.start(runtime);
        self.ground.engine.serves(runtime.clone());
    }

    /// Ends all waiting of guests.
    pub(super) fn halt(&self) {
        self.ground.engine.halt();
    }

    /// Ends all swaps where they stand, so that nobody moves on the way out. No other configuration is followed any more.
    pub(super) fn stop_swaps(&self) {
        let stop = || self.worlds.all().values().for_each(|world| world.stop_swaps());
        self.stopping.begin(stop);
    }

    /// Has no worker take a further message, and waits for those that were taken until `end`.
    pub(super) async fn stop_workers(&self, end: Instant) {
        let worlds = self.worlds.all();
        let workers: Vec<_> = worlds.values().flat_map(|world| world.workers()).collect();
        workers.iter().for_each(|worker| worker.stop());
        for worker in workers {
            if !worker.finish(end).await {
                tracing::warn!("workers were not done with their messages, which are lost");
            }
        }
    }

    /// Waits until what every layer was asked for has left, or it is away.
    pub(super) async fn settle(&self) {
        for world in self.worlds.all().values() {
            world.settle().await;
        }
    }

    /// What it was made of, or was last asked to be.
    pub(super) fn config(&self) -> Arc<Config> {
        Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The worlds of its tenants.
    pub(super) fn worlds(&self) -> &Worlds {
        &self.worlds
    }

    /// Makes the tenants as another configuration wants them: first everything is prepared, which may fail and changes
    /// nothing; then it is committed, which fails only if the host stops. What only a start reads stays, and is told.
    /// What nothing leads to any more is left to whoever asked. Has to be awaited to its end.
    ///
    /// # Errors
    /// What cannot be; nothing has changed then.
    pub(super) async fn change(
        self: &Arc<Self>,
        config: Config,
    ) -> Result<(Changes, Vec<Left>), HostError> {
        let _turn = Arc::clone(&self.changing).acquire_owned().await;
        let config = Arc::new(config);
        for _ in 0..ATTEMPTS {
            let (prepared, tokens) = self.prepare(&config).await?;
            if let Some(ready) = prepared.hold().await {
                return self.commit(ready, tokens, config).await;
            }
        }
        Err(HostError::Unsettled)
    }

    /// Makes what another configuration wants, and reads what it names.
    async fn prepare(
        self: &Arc<Self>,
        config: &Arc<Config>,
    ) -> Result<(Prepared, Option<Tokens>), HostError> {
        let (host, config) = (Arc::clone(self), Arc::clone(config));
        let prepared = aside(move || {
            let admin = config.admin.as_ref().filter(|_| host.operators.is_asked());
            let tokens = admin.map(Tokens::read).transpose().map_err(HostError::Token)?;
            let worlds = host.worlds.prepare(&host.ground, config.tenants.clone())?;
            Ok((worlds, tokens))
        });
        prepared.await.ok_or(HostError::NoThread)?
    }

    /// Has what was prepared serve, unless the host stops: nothing has changed then. Nothing else of it can fail: what
    /// cannot be written to the disk is logged.
    async fn commit(
        &self,
        ready: Ready,
        tokens: Option<Tokens>,
        config: Arc<Config>,
    ) -> Result<(Changes, Vec<Left>), HostError> {
        let Ready { all, fresh, recordings, holds } = ready;
        let put = self.stopping.unless_begun(|| self.worlds.put(all));
        let (mut changes, left) = put.ok_or(HostError::Stopping)?;
        fresh.iter().for_each(|plugin| tracing::info!(plugin, "is ready"));
        changes.for_a_start = self.started_with.differs_in(&config);
        changes.since = self.note_followed();
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = config;
        if let Some(tokens) = tokens {
            self.operators.set(tokens);
        }
        left.iter().flat_map(|left| &left.workers).for_each(|worker| worker.stop());
        left.iter().flat_map(|left| &left.served).for_each(|served| served.retire());
        // Their swaps have ended.
        drop(holds);
        let recorded = aside(move || recordings.into_iter().for_each(Recording::write));
        if recorded.await.is_none() {
            tracing::warn!("a restart may bring other versions back: no thread to write them down");
        }
        // If the host stops since, it has stopped these too, and they are not to begin.
        self.stopping.unless_begun(|| self.start(&Handle::current()));
        Ok((changes, left))
    }

    /// Starts what is not for a connection and not running yet.
    fn start(&self, runtime: &Handle) {
        self.worlds.all().values().for_each(|world| world.start(runtime));
    }

    /// Notes that a configuration is followed now, and says how long the one before was.
    fn note_followed(&self) -> Duration {
        let now = Instant::now();
        let mut followed = self.followed.lock().unwrap_or_else(PoisonError::into_inner);
        now - std::mem::replace(&mut *followed, now)
    }

    /// Whose tokens the operator's interface takes.
    pub(super) fn operators(&self) -> &Operators {
        &self.operators
    }

    /// What of the pool that guests run in is in use.
    pub(super) fn pool(&self) -> Pool {
        self.ground.engine.pool()
    }

    /// What all tenants together use, and may.
    pub(super) fn meter(&self) -> &Meter {
        &self.ground.meter
    }

    /// Where plugins keep keys and values.
    pub(super) fn keyvalue(&self) -> &Keyvalue {
        &self.ground.keyvalue
    }

    /// How changed files are noticed, if they are to be.
    pub(super) fn noticing(&self) -> Option<Noticing> {
        self.config().watch
    }

    /// Who has to have signed what runs here; `None` if nobody has to.
    pub(super) fn signers(&self) -> Option<&Arc<Signers>> {
        self.ground.signers.as_ref()
    }

    /// How it learns who somebody is.
    pub(super) fn users(&self) -> Option<&Arc<Users>> {
        self.users.as_ref()
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
        &self.ground.limits
    }

    /// Has a handshake decided by the plugin its path leads to, or shows the demo page. The permit is kept until the
    /// consumer has been told of the connection's end, however it comes to that.
    ///
    /// # Errors
    /// The answer in place of an upgrade.
    pub(super) async fn decide(
        &self,
        mut opening: Opening,
        permit: Arc<OwnedSemaphorePermit>,
    ) -> Result<Decision<Box<Joined>>, Rejection> {
        if let Some(proxy) = &self.proxy {
            opening = opening.behind(proxy)?;
        }
        let path = opening.path()?;
        let Some((world, rest)) = self.worlds.find(opening.host(), &path) else {
            return Err(no_route());
        };
        // Whoever is told apart by hosts has said which ones those are.
        if let (Some(hosts), []) = (&self.allowed.hosts, &*world.entrance().hosts) {
            opening.check_host(hosts)?;
        }
        if let Some(document) = world.demo.as_ref().and_then(|demo| demo.document(&opening)) {
            return Ok(Decision::Show(document));
        }
        let Some(matched) = world.router.find(rest) else { return Err(no_route()) };
        opening.check_upgrade()?;
        if let Some(origins) = world.origins().or(self.allowed.origins.as_deref()) {
            opening.check_origin(origins)?;
        }
        let route = matched.route;
        let unavailable = |_| Rejection::plain(503, "this plugin is not available now\n");
        let roster = world.roster(&route.plugin).ok_or(()).map_err(unavailable)?;
        // Before anybody is asked who it is: that, too, is something of which there is only so much.
        let admitted = roster.plugin().allowance.admit(opening.client().ip()).map_err(full)?;
        let user = match &self.users {
            Some(users) => users.who(&opening).await?,
            None => None,
        };
        let mailbox = roster.layer().new_channel(&world.tenant).await.map_err(|error| {
            tracing::warn!(
                plugin = &*roster.plugin().label,
                "no channel for a connection: {error}"
            );
            unavailable(())
        })?;
        let max_message = route.max_message.unwrap_or(self.ground.limits.max_message).bytes();
        let outbound = OutboundLimits {
            bytes: self.ground.limits.outbound_queue.bytes(),
            max_frame: max_message,
            overflow: roster.plugin().overflow,
        };
        let link =
            Arc::new(Link::new(mailbox.channel().clone(), outbound, Arc::clone(roster.traffic())));
        let mut scope = opening.scope(rest.to_owned(), matched.captures, user);
        if let Some(path) = &world.entrance().path {
            scope.attributes.push((ROOT_PATH.to_owned(), path.clone()));
        }
        let permits = Permits { host: permit, plugin: admitted };
        match session::join(roster, mailbox, link, scope, permits).await {
            Joining::Accepted(acceptance, joined) => {
                let deflate = route.deflate;
                Ok(Decision::Accept { acceptance, max_message, deflate, joined })
            }
            Joining::Rejected(rejection) => Err(rejection),
        }
    }
}

/// The answer to a connection for which there is no room.
fn full(bound: Bound) -> Rejection {
    let (status, words) = match bound {
        Bound::ConnectionsPerAddress => {
            (429, "this address has its limit of connections open; close one, or try again later\n")
        }
        Bound::Connects => (503, "too many new connections a second; try again later\n"),
        _ => (503, "the limit of open connections is reached; try again later\n"),
    };
    Rejection::plain(status, words).with_header("retry-after", "1")
}

fn no_route() -> Rejection {
    Rejection::plain(404, "no route matches this path\n")
}

/// Where a plugin's component lies, after it has been built if it is a crate.
pub(super) fn component_file(name: &str, plugin: &PluginConfig) -> Result<PathBuf, HostError> {
    match &plugin.source {
        Source::Component(file) => Ok(file.clone()),
        Source::Crate(folder) => {
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
        Backend::Memory => Arc::new(MemoryLayer::new(limits)),
        Backend::Redis(redis) => Arc::new(RedisLayer::new(name, redis, limits)),
        Backend::RedisPubSub(redis) => Arc::new(RedisPubSubLayer::new(name, redis, limits)),
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
