//! `[[workers]]`: the plugins that take the messages of named channels.

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

/// A plugin that takes the messages of a named channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerConfig {
    /// The named channel.
    pub channel: ChannelName,
    /// The plugin that takes its messages.
    pub plugin: String,
    /// The number of messages that this host handles at a time, each in an instance of its own.
    pub instances: usize,
    /// The period in which all hosts together put one `worker.tick` into the channel; `None`: no tick.
    pub tick_interval: Option<DurationSetting>,
}

/// `[[workers]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawWorker {
    channel: Spanned<String>,
    plugin: Spanned<String>,
    instances: Option<Spanned<usize>>,
    every: Option<Spanned<DurationSetting>>,
}

/// The shortest value of `every`: hosts agree over the network on the one that sends a tick.
const MIN_TICK_INTERVAL: DurationSetting = DurationSetting::from_millis(100);

/// Checks the tables, and records in each plugin that it is used as a worker.
pub(super) fn check_all(
    raw: Vec<Spanned<RawWorker>>,
    plugins: &mut BTreeMap<String, PluginConfig>,
    layers: &BTreeMap<String, LayerConfig>,
    location: &Locator<'_>,
) -> Result<Vec<WorkerConfig>, ConfigError> {
    let mut bound_channels = BTreeSet::new();
    let mut workers = Vec::new();
    for raw in raw {
        let raw = raw.into_inner();
        let (channel_span, plugin_span) = (raw.channel.span(), raw.plugin.span());
        let worker = check(raw, plugins, location)?;
        let Some(plugin) = plugins.get_mut(&worker.plugin) else { continue };
        if matches!(
            layers.get(&plugin.layer).map(|it| &it.backend),
            Some(LayerBackend::RedisPubSub(_))
        ) {
            let problem = format!(
                "the layer {:?} of plugin {:?} has backend = \"redis-pubsub\", which delivers each message to every host, \
                 so every host would handle it; use a layer with backend = \"redis\" or \"memory\"",
                plugin.layer, worker.plugin
            );
            return Err(location.invalid(plugin_span, "workers.plugin", problem));
        }
        if !bound_channels.insert((plugin.layer.clone(), worker.channel.as_str().to_owned())) {
            let problem = format!(
                "channel {:?} has a worker already; raise its `instances` to handle more messages at a time",
                worker.channel.as_str()
            );
            return Err(location.invalid(channel_span, "workers.channel", problem));
        }
        plugin.record_use(PluginUse {
            role: Role::Worker,
            key: "workers.plugin",
            location: location.locate(plugin_span),
        });
        workers.push(worker);
    }
    Ok(workers)
}

/// Checks one table.
fn check(
    raw: RawWorker,
    plugins: &BTreeMap<String, PluginConfig>,
    location: &Locator<'_>,
) -> Result<WorkerConfig, ConfigError> {
    let invalid_channel =
        |problem: String| location.invalid(raw.channel.span(), "workers.channel", problem);
    let channel: ChannelName =
        raw.channel.get_ref().parse().map_err(|error| invalid_channel(format!("{error}")))?;
    if channel.is_process_local() {
        let problem = "a channel with `!` in its name belongs to one connection; write a name such as \
                       \"thumbnails\"";
        return Err(invalid_channel(problem.to_owned()));
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
