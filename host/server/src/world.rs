//! What one tenant has: its plugins, routes, layers and workers, and nothing of another's.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::runtime::Handle;

use super::admin::Tokens;
use super::demo::Demo;
use super::served::{Served, Working};
use crate::router::Router;
use narrowboat_channels::{ChannelLayer, LayerStatus};
use narrowboat_config::{Entrance, LayerConfig, TenantConfig};
use narrowboat_core::name::Tenant;
use narrowboat_core::origin::OriginPattern;
use narrowboat_deploy::swap::Swap;
use narrowboat_quota::Meter;
use narrowboat_runtime::GuestThreads;
use narrowboat_session::Roster;

/// One tenant's world, as one configuration wants it. What the next one wants as well is in both.
pub(super) struct World {
    pub(super) tenant: Tenant,
    pub(super) router: Router,
    pub(super) tokens: Tokens,
    pub(super) demo: Option<Demo>,
    /// As it was asked for.
    pub(super) config: TenantConfig,
    /// By the names that routes use.
    pub(super) served: BTreeMap<String, Arc<Served>>,
    /// Plugins that cannot be served as it was asked for, and each one's file.
    pub(super) failed: BTreeMap<String, Tried>,
    pub(super) layers: BTreeMap<String, Layer>,
    pub(super) workers: Vec<Arc<Working>>,
    pub(super) part: Part,
}

/// A file of which no plugin could be made, as it was before that was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tried {
    pub(super) file: PathBuf,
    /// When it was written and how long it was; nothing if it was not there.
    state: Option<(SystemTime, u64)>,
}

impl Tried {
    /// As a file is now. Not for async threads.
    pub(super) fn now(file: PathBuf) -> Self {
        let metadata = std::fs::metadata(&file).ok();
        let state = metadata.and_then(|data| Some((data.modified().ok()?, data.len())));
        Self { file, state }
    }

    /// Whether the file is other than it was.
    pub(super) fn has_changed(&self) -> bool {
        Self::now(self.file.clone()) != *self
    }
}

/// What a tenant has of what all have.
#[derive(Clone)]
pub(super) struct Part {
    /// What all its plugins together use.
    pub(super) meter: Arc<Meter>,
    /// As many of the guest threads as they may have.
    pub(super) threads: GuestThreads,
}

/// A layer, and what it was opened with.
#[derive(Clone)]
pub(super) struct Layer {
    pub(super) config: LayerConfig,
    /// Groups that one connection may be in.
    pub(super) groups: usize,
    pub(super) opened: Arc<dyn ChannelLayer>,
}

impl World {
    /// Starts what is not running yet.
    pub(super) fn start(&self, runtime: &Handle) {
        self.layers.values().for_each(|layer| layer.opened.start(runtime));
        self.served.values().for_each(|served| served.start());
        self.workers.iter().for_each(|worker| worker.start());
    }

    /// Has it and its plugins use no more than its configuration says, from now on.
    pub(super) fn hold_to_limits(&self) {
        self.part.meter.set(&self.config.limits);
        for (name, served) in &self.served {
            if let Some(plugin) = self.config.plugins.get(name) {
                served.swap.plugin().allowance.set(&plugin.limits.flowing());
            }
        }
    }

    /// Ends all swaps where they stand.
    pub(super) fn stop_swaps(&self) {
        self.served.values().for_each(|served| served.stop());
    }

    /// The sessions of a plugin.
    pub(super) fn roster(&self, plugin: &str) -> Option<&Arc<Roster>> {
        self.served.get(plugin).map(|served| served.roster())
    }

    /// What changes each plugin, by its name.
    pub(super) fn swaps(&self) -> impl Iterator<Item = (&String, &Arc<Swap>)> {
        self.served.iter().map(|(name, served)| (name, &served.swap))
    }

    /// What changes one plugin.
    pub(super) fn swap(&self, plugin: &str) -> Option<&Arc<Swap>> {
        self.served.get(plugin).map(|served| &served.swap)
    }

    /// Its plugins.
    pub(super) fn served(&self) -> impl Iterator<Item = &Arc<Served>> {
        self.served.values()
    }

    /// Plugins that cannot be served as it was asked for, and each one's file.
    pub(super) fn failed(&self) -> impl Iterator<Item = (&String, &Tried)> {
        self.failed.iter()
    }

    /// Which requests are its.
    pub(super) fn entrance(&self) -> &Entrance {
        &self.config.entrance
    }

    /// The origins that its handshakes may name, if it has a list of its own.
    pub(super) fn origins(&self) -> Option<&[OriginPattern]> {
        self.config.origins.as_deref()
    }

    /// Whether another world is asked for in the same words.
    pub(super) fn is_as(&self, other: &Self) -> bool {
        self.config == other.config
    }

    /// What takes the messages of its named channels.
    pub(super) fn workers(&self) -> &[Arc<Working>] {
        &self.workers
    }

    /// A layer by its name.
    pub(super) fn layer(&self, name: &str) -> Option<&Arc<dyn ChannelLayer>> {
        self.layers.get(name).map(|layer| &layer.opened)
    }

    /// How its layers fare, by their names.
    pub(super) fn layers(&self) -> impl Iterator<Item = (&str, LayerStatus)> {
        self.layers.iter().map(|(name, layer)| (name.as_str(), layer.opened.status()))
    }

    /// Waits until what every layer was asked for has left, or it is away.
    pub(super) async fn settle(&self) {
        for layer in self.layers.values() {
            if let Err(error) = layer.opened.carried().await {
                tracing::debug!("what was sent last may not have left: {error}");
            }
        }
    }

    /// What this world has that another does not.
    pub(super) fn without(&self, other: Option<&Self>) -> Left {
        let served = self.served.iter().filter(|(name, served)| {
            let same = other.and_then(|other| other.served.get(*name));
            same.is_none_or(|same| !Arc::ptr_eq(same, served))
        });
        let workers = self.workers.iter().filter(|worker| {
            let mut others = other.into_iter().flat_map(|other| &other.workers);
            !others.any(|other| Arc::ptr_eq(other, worker))
        });
        Left {
            served: served.map(|(_, served)| Arc::clone(served)).collect(),
            workers: workers.cloned().collect(),
        }
    }
}

/// What nothing leads to any more.
pub(super) struct Left {
    pub(super) served: Vec<Arc<Served>>,
    pub(super) workers: Vec<Arc<Working>>,
}
