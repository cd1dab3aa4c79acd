//! `[[workers]]`: the plugins that take the messages of named channels.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Deserialize;
use toml::Spanned;

use super::cron_schedule::{CronSchedule, CronZone, DEFAULT_ZONE};
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
    /// The schedule by which one of all hosts gives the worker a `worker.cron`; `None`: no schedule.
    pub cron: Option<CronConfig>,
}

/// A schedule of a worker, and what happens to a run that fails or was missed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CronConfig {
    /// The times.
    pub schedule: CronSchedule,
    /// Whether a run is repeated if its worker failed or its host died.
    pub at_least_once: bool,
    /// Whether the last run that was missed is made up for.
    pub catch_up: bool,
}

/// `[[workers]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawWorker {
    channel: Spanned<String>,
    plugin: Spanned<String>,
    instances: Option<Spanned<usize>>,
    every: Option<Spanned<DurationSetting>>,
    cron: Option<Spanned<String>>,
    timezone: Option<Spanned<String>>,
    at_least_once: Option<Spanned<bool>>,
    catch_up: Option<Spanned<bool>>,
}

/// The shortest value of `every`: hosts agree over the network on the one that sends a tick.
const MIN_TICK_INTERVAL: DurationSetting = DurationSetting::from_millis(100);

/// Checks the tables, and records in each plugin that it is used as a worker.
pub(super) fn check_all(
    raw: Vec<Spanned<RawWorker>>,
    plugins: &mut BTreeMap<String, Box<PluginConfig>>,
    layers: &BTreeMap<String, Arc<LayerConfig>>,
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
    plugins: &BTreeMap<String, Box<PluginConfig>>,
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
        cron: check_cron(&raw, location)?,
        plugin: raw.plugin.into_inner(),
        instances: check_instances(raw.instances, "workers.instances", location)?,
        tick_interval: raw.every.map(Spanned::into_inner),
    })
}

/// Checks the schedule of a table, and that no key needs one that is missing.
fn check_cron(raw: &RawWorker, location: &Locator<'_>) -> Result<Option<CronConfig>, ConfigError> {
    let flag = |key: &Option<Spanned<bool>>| {
        key.as_ref().filter(|flag| *flag.get_ref()).map(Spanned::span)
    };
    let Some(cron) = &raw.cron else {
        // A key that is set to its default changes nothing.
        let zone = raw.timezone.as_ref().filter(|zone| zone.get_ref() != DEFAULT_ZONE);
        let needing = [
            ("workers.timezone", zone.map(Spanned::span)),
            ("workers.at_least_once", flag(&raw.at_least_once)),
            ("workers.catch_up", flag(&raw.catch_up)),
        ];
        let Some((key, span)) = needing.into_iter().find_map(|(key, span)| Some((key, span?)))
        else {
            return Ok(None);
        };
        let problem = "applies to a schedule; add `cron`, for example cron = \"0 8 * * *\"";
        return Err(location.invalid(span, key, problem.to_owned()));
    };
    if raw.every.is_some() {
        let problem = "a worker has either `every` or `cron`; remove one of them";
        return Err(location.invalid(cron.span(), "workers.cron", problem.to_owned()));
    }
    let zone = match &raw.timezone {
        None => CronZone::default(),
        Some(zone) => CronZone::find(zone.get_ref())
            .map_err(|problem| location.invalid(zone.span(), "workers.timezone", problem))?,
    };
    let schedule = CronSchedule::parse(cron.get_ref(), zone)
        .map_err(|problem| location.invalid(cron.span(), "workers.cron", problem))?;
    let is_set = |key: &Option<Spanned<bool>>| key.as_ref().is_some_and(|key| *key.get_ref());
    Ok(Some(CronConfig {
        schedule,
        at_least_once: is_set(&raw.at_least_once),
        catch_up: is_set(&raw.catch_up),
    }))
}
