//! `[[workers]]`: which plugin takes the messages of which named channel.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use toml::Spanned;

use super::backend::Backend;
use super::error::{ConfigError, Location};
use super::layer::LayerConfig;
use super::plugin::{PluginConfig, Use, check_count, unknown};
use narrowboat_core::component::Role;
use narrowboat_core::name::ChannelName;
use narrowboat_core::units::Span;

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
    pub every: Option<Span>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Raw {
    channel: Spanned<String>,
    plugin: Spanned<String>,
    instances: Option<Spanned<usize>>,
    every: Option<Spanned<Span>>,
}

/// The shortest `every`: hosts agree on turns over the network.
const SHORTEST: Span = Span::millis(100);

/// Checks the tables, and notes in each plugin that it is used as a worker.
pub(super) fn check_all(
    raw: Vec<Spanned<Raw>>,
    plugins: &mut BTreeMap<String, PluginConfig>,
    layers: &BTreeMap<String, LayerConfig>,
    location: &Location<'_>,
) -> Result<Vec<WorkerConfig>, ConfigError> {
    let mut taken = BTreeSet::new();
    let mut workers = Vec::new();
    for raw in raw {
        let raw = raw.into_inner();
        let place = raw.channel.span();
        let used = raw.plugin.span();
        let worker = check(raw, plugins, location)?;
        let Some(plugin) = plugins.get_mut(&worker.plugin) else { continue };
        if matches!(layers.get(&plugin.layer).map(|it| &it.backend), Some(Backend::RedisPubSub(_)))
        {
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
        plugin.note_use(Use {
            role: Role::Worker,
            key: "workers.plugin",
            place: location.place(used),
        });
        workers.push(worker);
    }
    Ok(workers)
}

fn check(
    raw: Raw,
    plugins: &BTreeMap<String, PluginConfig>,
    location: &Location<'_>,
) -> Result<WorkerConfig, ConfigError> {
    let bad_channel =
        |problem: String| location.invalid(raw.channel.span(), "workers.channel", problem);
    let channel: ChannelName =
        raw.channel.get_ref().parse().map_err(|error| bad_channel(format!("{error}")))?;
    if channel.is_unique() {
        let problem = "a channel with `!` in its name is one connection's own; a worker's is named \
                       like \"thumbnails\"";
        return Err(bad_channel(problem.to_owned()));
    }
    if !plugins.contains_key(raw.plugin.get_ref()) {
        let problem = unknown(raw.plugin.get_ref(), plugins);
        return Err(location.invalid(raw.plugin.span(), "workers.plugin", problem));
    }
    if let Some(every) = raw.every.as_ref().filter(|every| *every.get_ref() < SHORTEST) {
        let problem = format!("must be at least {SHORTEST}");
        return Err(location.invalid(every.span(), "workers.every", problem));
    }
    Ok(WorkerConfig {
        channel,
        plugin: raw.plugin.into_inner(),
        instances: check_count(raw.instances, "workers.instances", location)?,
        every: raw.every.map(Spanned::into_inner),
    })
}
