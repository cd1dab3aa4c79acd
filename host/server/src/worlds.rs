//! The worlds of all tenants, and how they change while the host runs.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::watch;

use super::first::Recording;
use super::host::HostError;
use super::making::{Ground, Made, Making, Replaced};
use super::world::{Left, Tried, World};
use narrowboat_config::TenantConfig;
use narrowboat_core::name::Tenant;
use narrowboat_deploy::swap::{Swap, VersionHold};
use narrowboat_runtime::Plugin;

pub(super) type All = BTreeMap<Tenant, Arc<World>>;

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

/// Worlds that are made and that nothing leads to yet. Dropped, they leave no trace.
pub(super) struct Prepared {
    all: All,
    fresh: Vec<String>,
    recordings: Vec<Recording>,
    replaced: Vec<Replaced>,
}

/// Prepared worlds that fit what serves now, and go on fitting it as long as this is there.
pub(super) struct Ready {
    pub(super) all: All,
    /// Plugins that are new or served anew, for the log.
    pub(super) fresh: Vec<String>,
    /// What is to be kept once something leads to them.
    pub(super) recordings: Vec<Recording>,
    /// Live versions that stay what they are until the worlds are exchanged and the swaps before have ended.
    pub(super) holds: Vec<VersionHold>,
}

impl Prepared {
    /// Waits until no swap goes on of a plugin that is to be replaced, and holds further ones up. `None` if another version
    /// has become live since: the worlds have to be made again.
    pub(super) async fn hold(self) -> Option<Ready> {
        let Self { all, fresh, recordings, replaced } = self;
        let mut holds = Vec::with_capacity(replaced.len());
        for replaced in &replaced {
            holds.push(replaced.hold().await);
        }
        let fits = replaced.iter().all(Replaced::is_as_before);
        fits.then_some(Ready { all, fresh, recordings, holds })
    }
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
        let (mut all, mut recordings) = (All::new(), Vec::new());
        for (tenant, config) in tenants {
            let strict = tenant.is_default();
            let making = Making { ground, before: None, tell, strict };
            let made = making.world(tenant.clone(), config)?;
            recordings.extend(made.recordings);
            made.world.hold_to_limits();
            all.insert(tenant, Arc::new(made.world));
        }
        recordings.into_iter().for_each(Recording::write);
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

    /// Makes the worlds as another configuration wants them; of those there are stays what it says the same of. Nothing
    /// that serves or is kept changes before [`Worlds::put`]. Takes a while: not for async threads, and one at a time.
    ///
    /// # Errors
    /// What of the configuration cannot be; nothing has changed then. A plugin that cannot be served is no error.
    pub(super) fn prepare(
        &self,
        ground: &Ground,
        tenants: BTreeMap<Tenant, TenantConfig>,
    ) -> Result<Prepared, HostError> {
        let before = self.all();
        let mut prepared = Prepared {
            all: All::new(),
            fresh: Vec::new(),
            recordings: Vec::new(),
            replaced: Vec::new(),
        };
        let fresh = RefCell::new(Vec::new());
        for (tenant, config) in tenants {
            let before = before.get(&tenant).map(|world| &**world);
            let tell = |plugin: &Plugin| fresh.borrow_mut().push(plugin.label.to_string());
            let making = Making { ground, before, tell: &tell, strict: false };
            let Made { world, recordings, replaced } = making.world(tenant.clone(), config)?;
            prepared.all.insert(tenant, Arc::new(world));
            prepared.recordings.extend(recordings);
            prepared.replaced.extend(replaced);
        }
        prepared.fresh = fresh.into_inner();
        // Those in whose place there is nothing end between two swaps as well.
        for (tenant, world) in &*before {
            let after = prepared.all.get(tenant);
            let gone = world
                .served
                .iter()
                .filter(|(name, _)| after.is_none_or(|after| !after.served.contains_key(*name)));
            prepared.replaced.extend(gone.map(|(_, served)| Replaced::now(served)));
        }
        Ok(prepared)
    }

    /// Has new connections find other worlds from now on; what is left of those before goes to whoever ends it. Nothing of
    /// this can fail.
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
