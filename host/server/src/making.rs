//! From what a configuration says of a tenant to its world.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::admin::Tokens;
use super::demo::Demo;
use super::first::{self, First, Recording};
use super::host::{HostError, component_file, open_layer};
use super::served::{MadeOf, Served, Working};
use super::world::{Layer, Part, Tried, World};
use crate::router::Router;
use narrowboat_config::signature::Signers;
use narrowboat_config::{DEFAULT_LAYER, LayerConfig, Limits, PluginConfig, Source, TenantConfig};
use narrowboat_core::fault::one_line;
use narrowboat_core::name::Tenant;
use narrowboat_deploy::swap::{Swap, VersionHold};
use narrowboat_deploy::versions::VersionStore;
use narrowboat_egress::Egress;
use narrowboat_keyvalue::Keyvalue;
use narrowboat_quota::{Allowance, Meter};
use narrowboat_runtime::{Engine, GuestThreads, Hash, Loader, Plugin};
use narrowboat_session::Roster;

/// What all worlds of a host stand on.
pub(super) struct Ground {
    pub(super) engine: Engine,
    pub(super) threads: GuestThreads,
    pub(super) limits: Limits,
    /// Held, so that no other host has it.
    pub(super) store: Option<VersionStore>,
    /// Whether the demo page is shown.
    pub(super) demo: bool,
    /// Who has to have signed what runs here; `None` if nobody has to.
    pub(super) signers: Option<Arc<Signers>>,
    /// Where plugins keep keys and values.
    pub(super) keyvalue: Arc<Keyvalue>,
    /// What makes the requests of plugins.
    pub(super) egress: Arc<Egress>,
    /// What all tenants use.
    pub(super) meter: Arc<Meter>,
}

/// What a world is made of, and whom to tell.
pub(super) struct Making<'a> {
    pub(super) ground: &'a Ground,
    /// The same tenant's world until now.
    pub(super) before: Option<&'a World>,
    /// Hears of each plugin that is ready.
    pub(super) tell: &'a dyn Fn(&Plugin),
    /// Whether a plugin that cannot be served is an error, rather than absent.
    pub(super) strict: bool,
}

/// The plugins of a tenant.
#[derive(Default)]
struct Plugins {
    served: BTreeMap<String, Arc<Served>>,
    /// The component's file of each that cannot be served as it was asked for.
    failed: BTreeMap<String, Tried>,
    /// What is to be kept of the new ones.
    recordings: Vec<Recording>,
    /// Those of the world before in whose place there is a new one.
    replaced: Vec<Replaced>,
}

/// A world that is made and that nothing leads to yet. Dropped, it leaves no trace.
pub(super) struct Made {
    pub(super) world: World,
    /// What is to be kept once something leads to it.
    pub(super) recordings: Vec<Recording>,
    /// Plugins of the world before in whose place there is a new one.
    pub(super) replaced: Vec<Replaced>,
}

/// A plugin in whose place another will be, or none. The other one goes on with the version that was live when it was
/// made.
pub(super) struct Replaced {
    served: Arc<Served>,
    live: Hash,
}

impl Replaced {
    pub(super) fn now(served: &Arc<Served>) -> Self {
        Self { served: Arc::clone(served), live: served.swap.plugin().live().digest() }
    }

    /// Holds its live version as it is.
    pub(super) async fn hold(&self) -> VersionHold {
        self.served.swap.hold_version().await
    }

    /// Whether the same version is live as when the other was made.
    pub(super) fn is_as_before(&self) -> bool {
        self.served.swap.plugin().live().digest() == self.live
    }
}

impl Making<'_> {
    /// Makes a tenant's world; of the one before it has what is wanted as it was. Nothing that serves or is kept changes.
    /// Takes a while: not for async threads.
    ///
    /// # Errors
    /// What failed, with the plugin at fault. A plugin of which nothing can be served is no error where strangers
    /// bring it.
    pub(super) fn world(&self, tenant: Tenant, config: TenantConfig) -> Result<Made, HostError> {
        let tokens = Tokens::of(&config.tokens, &format!("tenants.{tenant}.tokens"));
        let tokens = tokens.map_err(HostError::Token)?;
        let limits = self.ground.limits.within(&config.limits);
        let part = self.part(&tenant);
        let layers = self.layers(&tenant, &config, &limits);
        let Plugins { served, failed, recordings, replaced } =
            self.plugins(&tenant, &config, &limits, &layers, &part)?;
        let workers = config.workers.iter().filter_map(|worker| {
            let roster = served.get(&worker.plugin)?.roster();
            let before = self.before.into_iter().flat_map(|before| &before.workers);
            let mut same = before.filter(|working| working.is_for(roster, worker));
            let same = same.next().cloned();
            Some(same.unwrap_or_else(|| Arc::new(Working::new(Arc::clone(roster), worker.clone()))))
        });
        let workers = workers.collect();
        let demo = (self.ground.demo && tenant.is_default()).then(|| {
            let find = |name: &str| Some(Arc::clone(served.get(name)?.swap.plugin()));
            Demo::new(&config.routes, find)
        });
        let world = World {
            router: Router::new(config.routes.clone()),
            tokens,
            config,
            demo,
            served,
            failed,
            layers,
            workers,
            part,
            tenant,
        };
        Ok(Made { world, recordings, replaced })
    }

    /// Its plugins: those there are that are wanted as they are, and new ones.
    fn plugins(
        &self,
        tenant: &Tenant,
        config: &TenantConfig,
        limits: &Limits,
        layers: &BTreeMap<String, Layer>,
        part: &Part,
    ) -> Result<Plugins, HostError> {
        let largest = config.routes.iter().filter_map(|route| route.max_message);
        let max_frame = largest.fold(self.ground.limits.max_message, Ord::max).bytes();
        let mut plugins = Plugins::default();
        for (name, plugin) in &config.plugins {
            // The configuration was checked to have it.
            let layer = layers.get(&plugin.layer).or_else(|| layers.get(DEFAULT_LAYER));
            let Some(layer) = layer else { continue };
            let standing = plugin.limits.standing();
            let made_of = MadeOf {
                config: PluginConfig { limits: standing, ..plugin.clone() },
                limits: limits.within(&standing),
                layer: layer.config.clone(),
                max_frame,
            };
            let tried = Tried::now(place(plugin));
            let before = self.before.and_then(|before| before.served.get(name));
            let same = before.filter(|before| before.made_of.serves(&made_of));
            if let Some(same) = same {
                plugins.served.insert(name.clone(), Arc::clone(same));
                continue;
            }
            // Before the shelf is asked which version is live.
            let replaced = before.map(Replaced::now);
            match self.serve(tenant, name, made_of, layer, part) {
                Ok((served, recording)) => {
                    plugins.served.insert(name.clone(), Arc::new(served));
                    plugins.recordings.extend(recording);
                    plugins.replaced.extend(replaced);
                }
                Err(error) if self.strict => return Err(error),
                Err(error) => {
                    let goes_on =
                        if before.is_some() { "goes on as it was" } else { "is not served" };
                    // It may have words of the component's.
                    let error = one_line(&error.to_string());
                    tracing::error!(plugin = tenant.label(name), "{error}; it {goes_on}");
                    plugins.served.extend(before.map(|before| (name.clone(), Arc::clone(before))));
                    plugins.failed.insert(name.clone(), tried);
                }
            }
        }
        Ok(plugins)
    }

    /// What its plugins together use, and may.
    fn part(&self, tenant: &Tenant) -> Part {
        let new = || {
            let threads = &self.ground.threads;
            // The host's own plugins are no strangers to it.
            let threads = if tenant.is_default() { threads.clone() } else { threads.of_tenant() };
            Part { meter: Arc::default(), threads }
        };
        self.before.map_or_else(new, |before| before.part.clone())
    }

    fn layers(
        &self,
        tenant: &Tenant,
        config: &TenantConfig,
        limits: &Limits,
    ) -> BTreeMap<String, Layer> {
        let open = |(name, config): (&String, &LayerConfig)| {
            let before = self.before.and_then(|before| before.layers.get(name));
            let same = |layer: &&Layer| layer.config == *config && layer.groups == limits.groups;
            let layer = before.filter(same).cloned();
            let layer = layer.unwrap_or_else(|| Layer {
                config: config.clone(),
                groups: limits.groups,
                opened: open_layer(&tenant.label(name), config, limits),
            });
            (name.clone(), layer)
        };
        config.layers.iter().map(open).collect()
    }

    fn serve(
        &self,
        tenant: &Tenant,
        name: &str,
        made_of: MadeOf,
        layer: &Layer,
        part: &Part,
    ) -> Result<(Served, Option<Recording>), HostError> {
        let Ground { engine, store, signers, keyvalue, egress, meter, .. } = self.ground;
        let config = &made_of.config;
        let file = component_file(&tenant.label(name), config)?;
        let loader = Arc::new(Loader {
            engine: engine.clone(),
            tenant: tenant.clone(),
            layer: Arc::clone(&layer.opened),
            keyvalue: Arc::clone(keyvalue),
            egress: Arc::clone(egress),
            max_message: layer.config.max_message.bytes(),
            max_frame: made_of.max_frame,
            threads: part.threads.clone(),
            limits: made_of.limits.clone(),
            signers: signers.clone(),
            allowance: Arc::new(Allowance::within(
                &tenant.label(name),
                Arc::clone(&part.meter),
                Arc::clone(meter),
            )),
        });
        // What it has on the shelf it goes on with, in whatever way it is served.
        let before = self.before.and_then(|before| before.served.get(name));
        let shelf = match before.and_then(|before| before.swap.shelf()) {
            Some(shelf) => Some(Arc::clone(shelf)),
            None => {
                let shelf = store.as_ref().map(|store| store.shelf(tenant, name));
                shelf.transpose()?
            }
        };
        let First { plugin, recording } =
            first::load(&loader, name, config, &file, shelf.as_ref())?;
        (self.tell)(&plugin);
        let roster = Arc::new(Roster::new(Arc::new(plugin), Arc::clone(&loader.layer)));
        let swap = Swap::new(roster, loader, config.clone(), shelf);
        Ok((Served::new(made_of, file, swap), recording))
    }
}

/// Where a plugin comes from, for whoever watches for something better.
fn place(config: &PluginConfig) -> PathBuf {
    match &config.source {
        Source::Component(file) => file.clone(),
        Source::Crate(folder) => folder.clone(),
    }
}
