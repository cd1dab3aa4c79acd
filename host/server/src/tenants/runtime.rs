//! One tenant at run time: its plugins, routes, layers and workers.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use tokio::runtime::Handle;

use super::failed_load::FailedLoad;
use super::router::Router;
use super::served_plugin::ServedPlugin;
use super::served_worker::ServedWorker;
use crate::auth::{AcceptedTokens, ApiTokens, TokenError};
use crate::demo::DemoPage;
use narrowboat_channels::{ChannelLayer, LayerStatus};
use narrowboat_config::{LayerConfig, TenantConfig, TenantMatcher};
use narrowboat_core::handshake_response::HostRejection;
use narrowboat_core::name::Tenant;
use narrowboat_core::origin::OriginPattern;
use narrowboat_deploy::rollout::Rollout;
use narrowboat_quota::QuotaNode;
use narrowboat_runtime::GuestThreadPool;
use narrowboat_session::InstanceRegistry;

/// One tenant, as one configuration describes it. After a reload, the next one shares the parts that have not changed.
pub(crate) struct TenantRuntime {
    pub(crate) tenant: Tenant,
    pub(crate) router: Router,
    pub(crate) tokens: AcceptedTokens,
    /// The demo page, if the tenant serves it.
    pub(crate) demo: Option<DemoPage>,
    pub(super) config: Arc<TenantConfig>,
    /// The plugins that are served, by the names that routes use.
    pub(super) plugins: BTreeMap<String, Arc<ServedPlugin>>,
    /// The files of plugins that cannot be loaded as configured, by the plugins' names.
    pub(super) failed_loads: BTreeMap<String, FailedLoad>,
    /// The names of plugins that are not served because their crates are not built yet.
    pub(super) unbuilt_plugins: BTreeSet<String>,
    pub(super) layers: BTreeMap<String, TenantLayer>,
    pub(super) workers: Vec<Arc<ServedWorker>>,
    pub(crate) resources: TenantResources,
}

/// A tenant's share of the resources of the host. It outlives reloads.
#[derive(Clone)]
pub(crate) struct TenantResources {
    /// The quota that all plugins of the tenant share.
    pub(crate) quota: Arc<QuotaNode>,
    /// The guest threads that the plugins of the tenant may use.
    pub(super) guest_threads: GuestThreadPool,
}

/// A channel layer, and the settings that it was opened with.
#[derive(Clone)]
pub(super) struct TenantLayer {
    pub(super) config: Arc<LayerConfig>,
    /// The groups that one connection may join.
    pub(super) group_limit: usize,
    pub(super) channel_layer: Arc<dyn ChannelLayer>,
}

/// The parts of a tenant that a reload has replaced or removed.
pub(crate) struct RetiredParts {
    pub(crate) plugins: Vec<Arc<ServedPlugin>>,
    pub(crate) workers: Vec<Arc<ServedWorker>>,
}

impl TenantRuntime {
    /// Starts the layers, rollouts and workers that do not run yet.
    pub(crate) fn start(&self, tokio_handle: &Handle) {
        self.layers.values().for_each(|layer| layer.channel_layer.start(tokio_handle));
        self.plugins.values().for_each(|served| served.start());
        self.workers.iter().for_each(|worker| worker.start());
    }

    /// Applies the limits of the tenant, and the limits and settings of its plugins, from now on.
    pub(super) fn apply_live_config(&self) {
        self.resources.quota.set_limits(&self.config.limits);
        for (name, served) in &self.plugins {
            if let Some(plugin) = self.config.plugins.get(name) {
                served.rollout.plugin().quota.set_plugin_limits(&plugin.limits.reloadable());
            }
        }
        self.apply_settings();
    }

    /// Gives its plugins the settings of this moment, since secrets among them may have changed.
    pub(crate) fn apply_settings(&self) {
        for (name, served) in &self.plugins {
            if let Some(plugin) = self.config.plugins.get(name)
                && served.rollout.plugin().settings.replace(plugin.settings.values())
            {
                tracing::debug!(plugin = &*served.rollout.plugin().label, "settings changed");
            }
        }
    }

    /// The settings of a plugin for people, with a placeholder for each secret.
    pub(crate) fn shown_settings(&self, plugin: &str) -> BTreeMap<String, String> {
        let config = self.config.plugins.get(plugin);
        let settings = config.into_iter().flat_map(|plugin| plugin.settings.shown());
        settings.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    }

    /// The files of its tokens.
    pub(crate) fn token_files(&self) -> impl Iterator<Item = &Path> {
        self.config.tokens.iter().filter_map(|token| token.secret.file())
    }

    /// Reads its tokens again. Returns whether they differ from those before.
    ///
    /// # Errors
    /// If the file of a token cannot be used. The tokens stay as they were.
    pub(crate) fn reload_tokens(&self) -> Result<bool, TokenError> {
        let key = format!("tenants.{}.tokens", self.tenant);
        Ok(self.tokens.replace(ApiTokens::read_list(&self.config.tokens, &key)?))
    }

    /// The layers with a Redis whose URL now names another server than the one that the layer is connected to.
    pub(crate) fn moved_layers(&self) -> impl Iterator<Item = String> {
        let moved = self.layers.iter().filter(|(_, layer)| layer.config.backend.has_moved());
        moved.map(|(name, _)| self.tenant.plugin_label(name))
    }

    /// Ends all rollouts, because the host stops.
    pub(crate) fn stop_rollouts(&self) {
        self.plugins.values().for_each(|served| served.stop());
    }

    /// Lets each room of its plugins sleep as soon as it has no visitors.
    pub(crate) fn close_rooms(&self) {
        self.plugins.values().for_each(|served| served.instance_registry().close_rooms());
    }

    /// The instances of a plugin, if the plugin is served.
    pub(crate) fn instance_registry(&self, plugin: &str) -> Option<&Arc<InstanceRegistry>> {
        self.plugins.get(plugin).map(|served| served.instance_registry())
    }

    /// The response to a handshake for a plugin that is not served.
    pub(crate) fn unavailable_rejection(&self, plugin: &str) -> HostRejection<'static> {
        match self.unbuilt_plugins.contains(plugin) {
            true => HostRejection::PluginNotBuilt,
            false => HostRejection::PluginUnavailable,
        }
    }

    /// The rollouts of the plugins, by the plugins' names.
    pub(crate) fn rollouts(&self) -> impl Iterator<Item = (&String, &Arc<Rollout>)> {
        self.plugins.iter().map(|(name, served)| (name, &served.rollout))
    }

    /// The rollout of a plugin, if the plugin is served.
    pub(crate) fn rollout(&self, plugin: &str) -> Option<&Arc<Rollout>> {
        self.plugins.get(plugin).map(|served| &served.rollout)
    }

    /// The files of plugins that cannot be loaded as configured, by the plugins' names.
    pub(super) fn failed_loads(&self) -> impl Iterator<Item = (&String, &FailedLoad)> {
        self.failed_loads.iter()
    }

    /// The hosts and the path prefix of requests for the tenant.
    pub(crate) fn request_matcher(&self) -> &TenantMatcher {
        &self.config.matcher
    }

    /// The origins that handshakes may come from, if the tenant has a list of its own.
    pub(crate) fn allowed_origins(&self) -> Option<&[OriginPattern]> {
        self.config.allowed_origins.as_deref()
    }

    /// Whether the other tenant has the same configuration.
    pub(super) fn has_same_config(&self, other: &Self) -> bool {
        self.config == other.config
    }

    /// The workers.
    pub(crate) fn workers(&self) -> &[Arc<ServedWorker>] {
        &self.workers
    }

    /// A channel layer by its name.
    pub(crate) fn layer(&self, name: &str) -> Option<&Arc<dyn ChannelLayer>> {
        self.layers.get(name).map(|layer| &layer.channel_layer)
    }

    /// The names and states of the channel layers.
    pub(crate) fn layer_statuses(&self) -> impl Iterator<Item = (&str, LayerStatus)> {
        self.layers.iter().map(|(name, layer)| (name.as_str(), layer.channel_layer.status()))
    }

    /// Waits until each layer has sent its messages, or is disconnected.
    pub(crate) async fn flush_layers(&self) {
        for (layer, TenantLayer { channel_layer, .. }) in &self.layers {
            if let Err(error) = channel_layer.wait_until_sent().await {
                tracing::debug!(layer, %error, "the last messages may not have been sent");
            }
        }
    }

    /// The parts of this tenant that `other` does not share; all parts if `other` is `None`.
    pub(super) fn parts_missing_from(&self, other: Option<&Self>) -> RetiredParts {
        let plugins = self.plugins.iter().filter(|(name, served)| {
            let theirs = other.and_then(|other| other.plugins.get(*name));
            theirs.is_none_or(|theirs| !Arc::ptr_eq(theirs, served))
        });
        let workers = self.workers.iter().filter(|worker| {
            let mut theirs = other.into_iter().flat_map(|other| &other.workers);
            !theirs.any(|theirs| Arc::ptr_eq(theirs, worker))
        });
        RetiredParts {
            plugins: plugins.map(|(_, served)| Arc::clone(served)).collect(),
            workers: workers.cloned().collect(),
        }
    }
}
