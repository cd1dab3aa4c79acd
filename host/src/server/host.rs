//! A host ready to serve: its plugins loaded, its routes and its layer in place.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use thiserror::Error;
use tokio::runtime::Handle;

use crate::answer::Rejection;
use crate::config::{
    Allowed, Backend, Config, ConfigError, LayerConfig, Limits, Noticing, PluginConfig,
    ProxyConfig, Source,
};
use crate::connection::{Link, OutboundLimits};
use crate::handshake::{Decision, Opening};
use crate::layer::{
    CapacityPatterns, ChannelLayer, LayerLimits, LayerStatus, MemoryLayer, RedisLayer,
    RedisPubSubLayer,
};
use crate::name::Tenant;
use crate::packaging::{self, BuildError};
use crate::plugin::{
    CodeCache, Engine, EngineError, GuestThreads, LoadError, Loader, Plugin, Pool,
};
use crate::router::Router;
use crate::session::{self, Joined, Joining, Roster, Worker};
use crate::signature::Signers;
use crate::swap::Swap;
use crate::users::{Users, UsersError};
use crate::versions::{StoreError, VersionStore};

use super::demo::Demo;
use super::first;
use super::tls::{Tls, TlsError};

/// What a host serves, and with what.
pub struct Host {
    engine: Engine,
    tenant: Tenant,
    limits: Limits,
    allowed: Allowed,
    tls: Option<Arc<Tls>>,
    users: Option<Arc<Users>>,
    signers: Option<Arc<Signers>>,
    proxy: Option<ProxyConfig>,
    router: Router,
    rosters: BTreeMap<String, Arc<Roster>>,
    workers: Vec<Arc<Worker>>,
    /// By the file that a plugin's component lies in; several plugins may be made of one.
    swaps: BTreeMap<PathBuf, Vec<Arc<Swap>>>,
    /// By the plugin's name.
    plugins: BTreeMap<String, Arc<Swap>>,
    /// By their names in the configuration.
    layers: BTreeMap<String, Arc<dyn ChannelLayer>>,
    noticing: Option<Noticing>,
    demo: Option<Demo>,
    /// Held, so that no other host has it.
    _store: Option<VersionStore>,
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
    /// The versions that plugins have had cannot be kept.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Host {
    /// Builds what is to be built, loads every plugin and makes the layer. Takes a while: not for
    /// async threads. `tell` hears of each plugin that is ready.
    ///
    /// # Errors
    /// What failed, with the plugin at fault.
    pub fn load(config: Config, tell: impl Fn(&Plugin)) -> Result<Self, HostError> {
        let tenant = Tenant::default_tenant();
        let routes = config.routes.iter().filter_map(|route| route.max_message);
        let max_frame = routes.fold(config.limits.max_message, Ord::max).bytes();
        let cache = config.cache.as_ref().map(CodeCache::open);
        let workers = config.workers.iter().map(|worker| worker.instances).sum::<usize>();
        let instances = config.limits.max_connections.saturating_add(workers);
        let engine = Engine::new(instances, config.limits.memory.bytes(), cache)?;
        let threads = GuestThreads::new(config.limits.guest_threads);
        let signers = config.signatures.map(Signers::open).transpose()?.map(Arc::new);
        let loader = |layer: &LayerConfig, opened: &Arc<dyn ChannelLayer>| {
            Arc::new(Loader {
                engine: engine.clone(),
                tenant: tenant.clone(),
                layer: Arc::clone(opened),
                max_message: layer.max_message.bytes(),
                max_frame,
                threads: threads.clone(),
                limits: config.limits.clone(),
                signers: signers.clone(),
            })
        };
        let tls = config.tls.map(Tls::load).transpose()?.map(Arc::new);
        let users = config.users.map(Users::load).transpose()?.map(Arc::new);
        let mut layers = BTreeMap::new();
        let mut loaders = BTreeMap::new();
        for (name, layer) in &config.layers {
            let opened = open_layer(name, layer);
            loaders.insert(name.clone(), loader(layer, &opened));
            layers.insert(name.clone(), opened);
        }
        let store = config.versions.as_ref();
        let store = store
            .map(|versions| VersionStore::open(&versions.folder, versions.keep))
            .transpose()?;
        let mut rosters = BTreeMap::new();
        let mut swaps = BTreeMap::new();
        let mut plugins = BTreeMap::new();
        for (name, plugin_config) in config.plugins {
            let file = component_file(&name, &plugin_config)?;
            // The configuration was checked to have it.
            let loader = &loaders[&plugin_config.layer];
            let shelf = store.as_ref().map(|store| store.shelf(&name)).transpose()?;
            let shelf = shelf.map(Arc::new);
            let plugin = first::load(loader, &name, &plugin_config, &file, shelf.as_deref())?;
            tell(&plugin);
            let roster = Arc::new(Roster::new(Arc::new(plugin), Arc::clone(&loader.layer)));
            let swap = Swap::new(Arc::clone(&roster), Arc::clone(loader), plugin_config, shelf);
            let swap = Arc::new(swap);
            swaps.entry(file).or_insert_with(Vec::new).push(Arc::clone(&swap));
            plugins.insert(name.clone(), swap);
            rosters.insert(name, roster);
        }
        let workers = config.workers.into_iter().filter_map(|worker| {
            let roster = rosters.get(&worker.plugin)?;
            Some(Arc::new(Worker::new(Arc::clone(roster), worker)))
        });
        let workers = workers.collect();
        let demo = config.demo.then(|| {
            let find = |name: &str| rosters.get(name).map(|roster| Arc::clone(roster.plugin()));
            Demo::new(&config.routes, find)
        });
        Ok(Self {
            engine,
            rosters,
            workers,
            swaps,
            plugins,
            tenant,
            limits: config.limits,
            allowed: config.allowed,
            tls,
            users,
            signers,
            proxy: config.proxy,
            router: Router::new(config.routes),
            layers,
            noticing: config.watch,
            demo,
            _store: store,
        })
    }

    /// Names the runtime that it is served on.
    pub(super) fn serves(&self, runtime: Handle) {
        for layer in self.layers.values() {
            layer.start(&runtime);
        }
        self.engine.serves(runtime);
    }

    /// Waits until what every layer was asked for has left, or it is away.
    pub(super) async fn settle(&self) {
        for layer in self.layers.values() {
            if let Err(error) = layer.carried().await {
                tracing::debug!("what was sent last may not have left: {error}");
            }
        }
    }

    /// How its layers fare, by their names.
    pub(super) fn layers(&self) -> impl Iterator<Item = (&str, LayerStatus)> {
        self.layers.iter().map(|(name, layer)| (name.as_str(), layer.status()))
    }

    /// What takes the messages of named channels.
    pub(super) fn workers(&self) -> &[Arc<Worker>] {
        &self.workers
    }

    /// What changes its plugins, by the file each one's component lies in.
    pub(super) fn swaps(&self) -> &BTreeMap<PathBuf, Vec<Arc<Swap>>> {
        &self.swaps
    }

    /// What changes each plugin, by its name.
    pub(super) fn plugins(&self) -> &BTreeMap<String, Arc<Swap>> {
        &self.plugins
    }

    /// A layer by its name.
    pub(super) fn layer(&self, name: &str) -> Option<&Arc<dyn ChannelLayer>> {
        self.layers.get(name)
    }

    /// Whose all of it is.
    pub(super) fn tenant(&self) -> &Tenant {
        &self.tenant
    }

    /// What of the pool that guests run in is in use.
    pub(super) fn pool(&self) -> Pool {
        self.engine.pool()
    }

    /// How changed components are noticed, if they are to be.
    pub(super) fn noticing(&self) -> Option<Noticing> {
        self.noticing
    }

    /// How it learns who somebody is.
    pub(super) fn users(&self) -> Option<&Arc<Users>> {
        self.users.as_ref()
    }

    /// Who has to have signed what runs.
    pub(super) fn signers(&self) -> Option<&Arc<Signers>> {
        self.signers.as_ref()
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
        &self.limits
    }

    /// Has a handshake decided by the plugin its path leads to, or shows the demo page.
    ///
    /// # Errors
    /// The answer in place of an upgrade.
    pub(super) async fn decide(
        &self,
        mut opening: Opening,
    ) -> Result<Decision<Box<Joined>>, Rejection> {
        if let Some(proxy) = &self.proxy {
            opening = opening.behind(proxy)?;
        }
        if let Some(hosts) = &self.allowed.hosts {
            opening.check_host(hosts)?;
        }
        if let Some(document) = self.demo.as_ref().and_then(|demo| demo.document(&opening)) {
            return Ok(Decision::Show(document));
        }
        let path = opening.path()?;
        let Some(matched) = self.router.find(&path) else {
            return Err(Rejection::plain(404, "no route matches this path\n"));
        };
        opening.check_upgrade()?;
        if let Some(origins) = &self.allowed.origins {
            opening.check_origin(origins)?;
        }
        let user = match &self.users {
            Some(users) => users.who(&opening).await?,
            None => None,
        };
        let route = matched.route;
        let unavailable = |_| Rejection::plain(503, "this plugin is not available now\n");
        let roster = self.rosters.get(&route.plugin).ok_or(()).map_err(unavailable)?;
        let mailbox = roster.layer().new_channel(&self.tenant).await.map_err(|error| {
            tracing::warn!(plugin = route.plugin, "no channel for a connection: {error}");
            unavailable(())
        })?;
        let max_message = route.max_message.unwrap_or(self.limits.max_message).bytes();
        let outbound = OutboundLimits {
            bytes: self.limits.outbound_queue.bytes(),
            max_frame: max_message,
            overflow: roster.plugin().overflow,
        };
        let link =
            Arc::new(Link::new(mailbox.channel().clone(), outbound, Arc::clone(roster.traffic())));
        let scope = opening.scope(path, matched.captures, user);
        match session::join(roster, mailbox, link, scope).await {
            Joining::Accepted(acceptance, joined) => {
                let deflate = route.deflate;
                Ok(Decision::Accept { acceptance, max_message, deflate, joined })
            }
            Joining::Rejected(rejection) => Err(rejection),
        }
    }
}

/// Where a plugin's component lies, after it has been built if it is a crate.
fn component_file(name: &str, plugin: &PluginConfig) -> Result<PathBuf, HostError> {
    match &plugin.source {
        Source::Component(file) => Ok(file.clone()),
        Source::Crate(folder) => {
            let built = packaging::build(folder, None)
                .map_err(|source| HostError::Build { plugin: name.to_owned(), source })?;
            Ok(built.file)
        }
    }
}

/// What carries the messages of a layer.
pub(crate) fn open_layer(name: &str, config: &LayerConfig) -> Arc<dyn ChannelLayer> {
    let limits = layer_limits(config);
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
