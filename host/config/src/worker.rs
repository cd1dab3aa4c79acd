//! `[[workers]]`: which plugin takes the messages of which named channel.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use toml::Spanned;

use super::error::{ConfigError, Locator};
use super::layer::LayerConfig;
use super::layer_backend::LayerBackend;
use super::plugin::{PluginConfig, PluginUse, check_instances, unknown_plugin_message};
use narrowboat_core::component::Role;
use narrowboat_core::name::ChannelName;
use narrowboat_core::units::DurationSetting;

/// A named channel whose messages a plugin takes, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerConfig {
    /// The channel.
    pub channel: ChannelName,
    /// The plugin that takes its messages.
    pub plugin: String,
    /// Messages this host takes at a time, each by an instance of its own.
    pub instances: usize,
    /// How often a `worker.tick` is put into the channel, by all hosts together.
    pub tick_interval: Option<DurationSetting>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawWorker {
    channel: Spanned<String>,
    plugin: Spanned<String>,
    instances: Option<Spanned<usize>>,
    every: Option<Spanned<DurationSetting>>,
}

/// The shortest `every`: hosts agree on turns over the network.
const MIN_TICK_INTERVAL: DurationSetting = DurationSetting::from_millis(100);

/// Checks the tables, and notes in each plugin that it is used as a worker.
pub(super) fn check_all(
    raw: Vec<Spanned<RawWorker>>,
    plugins: &mut BTreeMap<String, PluginConfig>,
    layers: &BTreeMap<String, LayerConfig>,
    location: &Locator<'_>,
) -> Result<Vec<WorkerConfig>, ConfigError> {
    let mut taken = BTreeSet::new();
    let mut workers = Vec::new();
    for raw in raw {
        let raw = raw.into_inner();
        let place = raw.channel.span();
        let used = raw.plugin.span();
        let worker = check(raw, plugins, location)?;
        let Some(plugin) = plugins.get_mut(&worker.plugin) else { continue };
        if matches!(
            layers.get(&plugin.layer).map(|it| &it.backend),
            Some(LayerBackend::RedisPubSub(_))
        ) {
            let problem = format!(
                "the layer {:?} of plugin {:?} is \"redis-pubsub\", which brings a message to every \
                 host, so that each would do the work; a worker needs backend = \"redis\" or \
                 \"memory\"",
                plugin.layer, worker.plugin
            );
            return Err(location.invalid(used, "workers.plugin", problem));
        }
        if !taken.insert((plugin.layer.clone(), worker.channel.as_str().to_owned())) {
            let problem = format!(
                "channel {:?} is bound already; for more at a time raise its `instances`",
                worker.channel.as_str()
            );
            return Err(location.invalid(place, "workers.channel", problem));
        }
        plugin.record_use(PluginUse {
            role: Role::Worker,
            key: "workers.plugin",
            location: location.locate(used),
        });
        workers.push(worker);
    }
    Ok(workers)
}

fn check(
    raw: RawWorker,
    plugins: &BTreeMap<String, PluginConfig>,
    location: &Locator<'_>,
) -> Result<WorkerConfig, ConfigError> {
    let bad_channel =
        |problem: String| location.invalid(raw.channel.span(), "workers.channel", problem);
    let channel: ChannelName =
        raw.channel.get_ref().parse().map_err(|error| bad_channel(format!("{error}")))?;
    if channel.is_process_local() {
        let problem = "a channel with `!` in its name is one connection's own; a worker's is named \
                       like \"thumbnails\"";
        return Err(bad_channel(problem.to_owned()));
    }
    if !plugins.contains_key(raw.plugin.get_ref()) {
        let problem = unknown_plugin_message(raw.plugin.get_ref(), plugins);
        return Err(location.invalid(raw.plugin.span(), "workers.plugin", problem));
    }
    if let Some(every) = raw.every.as_ref().filter(|every| *every.get_ref() < MIN_TICK_INTERVAL) {
        let problem = format!("must be at least {MIN_TICK_INTERVAL}");
        return Err(location.invalid(every.span(), "workers.every", problem));
    }
    Ok(WorkerConfig {
        channel,
        plugin: raw.plugin.into_inner(),
        instances: check_instances(raw.instances, "workers.instances", location)?,
        tick_interval: raw.every.map(Spanned::into_inner),
    })
}
