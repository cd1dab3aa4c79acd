//! What one tenant has: its plugins, routes, layers and workers, and nothing of another's.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::runtime::Handle;

use super::admin::ApiTokens;
use super::demo::DemoPage;
use super::served_plugin::{ServedPlugin, ServedWorker};
use crate::router::Router;
use narrowboat_channels::{ChannelLayer, LayerStatus};
use narrowboat_config::{LayerConfig, TenantConfig, TenantMatcher};
use narrowboat_core::name::Tenant;
use narrowboat_core::origin::OriginPattern;
use narrowboat_deploy::rollout::Rollout;
use narrowboat_quota::QuotaNode;
use narrowboat_runtime::GuestThreadPool;
use narrowboat_session::InstanceRegistry;

/// One tenant's world, as one configuration wants it. What the next one wants as well is in both.
pub(super) struct TenantRuntime {
    pub(super) tenant: Tenant,
    pub(super) router: Router,
    pub(super) tokens: ApiTokens,
    pub(super) demo: Option<DemoPage>,
    /// As it was asked for.
    pub(super) config: TenantConfig,
    /// By the names that routes use.
    pub(super) plugins: BTreeMap<String, Arc<ServedPlugin>>,
    /// Plugins that cannot be served as it was asked for, and each one's file.
    pub(super) failed_loads: BTreeMap<String, FailedLoad>,
    pub(super) layers: BTreeMap<String, TenantLayer>,
    pub(super) workers: Vec<Arc<ServedWorker>>,
    pub(super) resources: TenantResources,
}

/// A file of which no plugin could be made, as it was before that was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FailedLoad {
    pub(super) file: PathBuf,
    /// When it was written and how long it was; nothing if it was not there.
    file_stamp: Option<(SystemTime, u64)>,
}

impl FailedLoad {
    /// As a file is now. Not for async threads.
    pub(super) fn capture(file: PathBuf) -> Self {
        let metadata = std::fs::metadata(&file).ok();
        let file_stamp = metadata.and_then(|data| Some((data.modified().ok()?, data.len())));
        Self { file, file_stamp }
    }

    /// Whether the file is other than it was.
    pub(super) fn has_changed(&self) -> bool {
        Self::capture(self.file.clone()) != *self
    }
}

/// What a tenant has of what all have.
#[derive(Clone)]
pub(super) struct TenantResources {
    /// What all its plugins together use.
    pub(super) quota: Arc<QuotaNode>,
    /// As many of the guest threads as they may have.
    pub(super) guest_threads: GuestThreadPool,
}

/// A layer, and what it was opened with.
#[derive(Clone)]
pub(super) struct TenantLayer {
    pub(super) config: LayerConfig,
    /// Groups that one connection may be in.
    pub(super) group_limit: usize,
    pub(super) channel_layer: Arc<dyn ChannelLayer>,
}

impl TenantRuntime {
    /// Starts what is not running yet.
    pub(super) fn start(&self, runtime: &Handle) {
        self.layers.values().for_each(|layer| layer.channel_layer.start(runtime));
        self.plugins.values().for_each(|served| served.start());
        self.workers.iter().for_each(|worker| worker.start());
    }

    /// Has it and its plugins use no more than its configuration says, from now on.
    pub(super) fn apply_limits(&self) {
        self.resources.quota.set_limits(&self.config.limits);
        for (name, served) in &self.plugins {
            if let Some(plugin) = self.config.plugins.get(name) {
                served.rollout.plugin().quota.set_plugin_limits(&plugin.limits.reloadable());
            }
        }
    }

    /// Ends all swaps where they stand.
    pub(super) fn stop_rollouts(&self) {
        self.plugins.values().for_each(|served| served.stop());
    }

    /// The sessions of a plugin.
    pub(super) fn instance_registry(&self, plugin: &str) -> Option<&Arc<InstanceRegistry>> {
        self.plugins.get(plugin).map(|served| served.instance_registry())
    }

    /// What changes each plugin, by its name.
    pub(super) fn rollouts(&self) -> impl Iterator<Item = (&String, &Arc<Rollout>)> {
        self.plugins.iter().map(|(name, served)| (name, &served.rollout))
    }

    /// What changes one plugin.
    pub(super) fn rollout(&self, plugin: &str) -> Option<&Arc<Rollout>> {
        self.plugins.get(plugin).map(|served| &served.rollout)
    }

    /// Its plugins.
    pub(super) fn plugins(&self) -> impl Iterator<Item = &Arc<ServedPlugin>> {
        self.plugins.values()
    }

    /// Plugins that cannot be served as it was asked for, and each one's file.
    pub(super) fn failed_loads(&self) -> impl Iterator<Item = (&String, &FailedLoad)> {
        self.failed_loads.iter()
    }

    /// Which requests are its.
    pub(super) fn request_matcher(&self) -> &TenantMatcher {
        &self.config.matcher
    }

    /// The origins that its handshakes may name, if it has a list of its own.
    pub(super) fn allowed_origins(&self) -> Option<&[OriginPattern]> {
        self.config.allowed_origins.as_deref()
    }

    /// Whether another world is asked for in the same words.
    pub(super) fn has_same_config(&self, other: &Self) -> bool {
        self.config == other.config
    }

    /// What takes the messages of its named channels.
    pub(super) fn workers(&self) -> &[Arc<ServedWorker>] {
        &self.workers
    }

    /// A layer by its name.
    pub(super) fn layer(&self, name: &str) -> Option<&Arc<dyn ChannelLayer>> {
        self.layers.get(name).map(|layer| &layer.channel_layer)
    }

    /// How its layers fare, by their names.
    pub(super) fn layer_statuses(&self) -> impl Iterator<Item = (&str, LayerStatus)> {
        self.layers.iter().map(|(name, layer)| (name.as_str(), layer.channel_layer.status()))
    }

    /// Waits until what every layer was asked for has left, or it is away.
    pub(super) async fn flush_layers(&self) {
        for layer in self.layers.values() {
            if let Err(error) = layer.channel_layer.wait_until_sent().await {
                tracing::debug!("what was sent last may not have left: {error}");
            }
        }
    }

    /// What this world has that another does not.
    pub(super) fn parts_missing_from(&self, other: Option<&Self>) -> RetiredParts {
        let served = self.plugins.iter().filter(|(name, served)| {
            let same = other.and_then(|other| other.plugins.get(*name));
            same.is_none_or(|same| !Arc::ptr_eq(same, served))
        });
        let workers = self.workers.iter().filter(|worker| {
            let mut others = other.into_iter().flat_map(|other| &other.workers);
            !others.any(|other| Arc::ptr_eq(other, worker))
        });
        RetiredParts {
            plugins: served.map(|(_, served)| Arc::clone(served)).collect(),
            workers: workers.cloned().collect(),
        }
    }
}

/// What nothing leads to any more.
pub(super) struct RetiredParts {
    pub(super) plugins: Vec<Arc<ServedPlugin>>,
    pub(super) workers: Vec<Arc<ServedWorker>>,
}
