//! The worlds of all tenants, and how they change while the host runs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::watch;

use super::host::HostError;
use super::making::{Ground, Making};
use super::world::{Left, Tried, World};
use crate::config::TenantConfig;
use crate::name::Tenant;
use crate::plugin::Plugin;
use crate::swap::Swap;

type All = BTreeMap<Tenant, Arc<World>>;

/// The worlds there are.
pub(super) struct Worlds {
    now: RwLock<Arc<All>>,
    /// Tells of each change.
    changed: watch::Sender<()>,
}

/// What a change of the configuration led to.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// Tenants that are new.
    pub(super) added: Vec<Tenant>,
    /// Tenants of which something is other than it was.
    pub(super) changed: Vec<Tenant>,
    /// Tenants that are gone.
    pub(super) removed: Vec<Tenant>,
    /// Plugins that are not served, or not as the configuration wants it.
    pub(super) failed: Vec<String>,
    /// Keys at the top of the file whose change only a start reads.
    pub(super) for_a_start: Vec<String>,
    /// How long ago the configuration before was followed, which all this is compared with.
    pub(super) since: Duration,
}

impl Worlds {
    /// The worlds of a host that starts.
    ///
    /// # Errors
    /// What keeps the tenant `default` from being served; what keeps another's plugin is logged.
    pub(super) fn load(
        ground: &Ground,
        tenants: BTreeMap<Tenant, TenantConfig>,
        tell: &dyn Fn(&Plugin),
    ) -> Result<Self, HostError> {
        let mut all = All::new();
        for (tenant, config) in tenants {
            let strict = tenant.is_default();
            let making = Making { ground, before: None, tell, strict };
            let world = making.world(tenant.clone(), config)?;
            world.hold_to_limits();
            all.insert(tenant, Arc::new(world));
        }
        Ok(Self { now: RwLock::new(Arc::new(all)), changed: watch::Sender::new(()) })
    }

    /// All of them, as they are now.
    pub(super) fn all(&self) -> Arc<All> {
        Arc::clone(&self.now.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The world of one tenant.
    pub(super) fn of(&self, tenant: &Tenant) -> Option<Arc<World>> {
        self.all().get(tenant).cloned()
    }

    /// Whose a request is, and what is left of its decoded path for routes.
    pub(super) fn find<'a>(
        &self,
        host: Option<&str>,
        path: &'a str,
    ) -> Option<(Arc<World>, &'a str)> {
        let all = self.all();
        let fitting = all.values().filter_map(|world| {
            let (fit, rest) = world.entrance().fit(host, path)?;
            Some((fit, world, rest))
        });
        let (_, world, rest) = fitting.max_by_key(|(fit, ..)| *fit)?;
        Some((Arc::clone(world), rest))
    }

    /// Tells of each change from now on.
    pub(super) fn follow(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// The files of plugins that are not served as was asked for.
    pub(super) fn unserved(&self) -> Vec<Tried> {
        let all = self.all();
        all.values().flat_map(|world| world.failed()).map(|(_, tried)| tried.clone()).collect()
    }

    /// What changes plugins, by the file each one's component lies in; several may be made of one, and none of those
    /// that are not served.
    pub(super) fn files(&self) -> BTreeMap<PathBuf, Vec<Arc<Swap>>> {
        let mut files: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for world in self.all().values() {
            for served in world.served() {
                files.entry(served.file.clone()).or_default().push(Arc::clone(&served.swap));
            }
            for (_, tried) in world.failed() {
                files.entry(tried.file.clone()).or_default();
            }
        }
        files
    }

    /// Makes the worlds as another configuration wants them; of those there are stays what it says the same of. Takes a
    /// while: not for async threads, and one at a time. Nobody is told before [`Worlds::put`].
    ///
    /// # Errors
    /// What of the configuration cannot be; nothing has changed then. A plugin that cannot be served is no error.
    pub(super) fn make(
        &self,
        ground: &Ground,
        tenants: BTreeMap<Tenant, TenantConfig>,
        tell: &dyn Fn(&Plugin),
    ) -> Result<All, HostError> {
        let before = self.all();
        let mut all = All::new();
        for (tenant, config) in tenants {
            let before = before.get(&tenant).map(|world| &**world);
            let making = Making { ground, before, tell, strict: false };
            let world = making.world(tenant.clone(), config)?;
            all.insert(tenant, Arc::new(world));
        }
        Ok(all)
    }

    /// Has new connections find other worlds from now on; what is left of those before goes to whoever ends it.
    pub(super) fn put(&self, all: All) -> (Changes, Vec<Left>) {
        // Not before everything else of the configuration can be.
        all.values().for_each(|world| world.hold_to_limits());
        let mut now = self.now.write().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *now, Arc::new(all));
        let after = Arc::clone(&now);
        drop(now);
        self.changed.send_replace(());
        let names: BTreeSet<_> = before.keys().chain(after.keys()).cloned().collect();
        let (mut changes, mut left) = (Changes::default(), Vec::new());
        for tenant in names {
            match (before.get(&tenant), after.get(&tenant)) {
                (Some(old), Some(new)) => {
                    left.push(old.without(Some(new)));
                    if !old.is_as(new) {
                        changes.changed.push(tenant);
                    }
                }
                (Some(old), None) => {
                    left.push(old.without(None));
                    changes.removed.push(tenant);
                }
                (None, _) => changes.added.push(tenant),
            }
        }
        let failed = after.values().flat_map(|world| {
            world.failed().map(|(name, _)| world.tenant.label(name)).collect::<Vec<_>>()
        });
        changes.failed = failed.collect();
        (changes, left)
    }
}
