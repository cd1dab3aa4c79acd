//! `[plugins.NAME]`: where a plugin comes from and how it runs.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;

use super::error::{ConfigError, Locator, SourceLocation, closest_match};
use super::grants::Grants;
use super::layer::DEFAULT_LAYER;
use super::limits::Limits;
use super::quota::Quota;
use narrowboat_core::component::Role;
use narrowboat_core::manifest::{Isolation, is_valid_plugin_name};
use narrowboat_core::sha256_digest::Sha256Digest;
use narrowboat_core::units::DurationSetting;

/// A plugin as the operator wants it; what is `None` the manifest or the defaults decide.
#[derive(Debug, Clone, PartialEq)]
pub struct PluginConfig {
    /// Where its bytes come from.
    pub source: PluginSource,
    /// Where the configuration says so.
    pub source_location: SourceLocation,
    /// The only versions that may run, whoever brings them; `None` if any may.
    pub pins: Option<Vec<Sha256Digest>>,
    /// Where the configuration says so.
    pub pins_location: SourceLocation,
    /// May only narrow what the manifest says.
    pub isolation: Option<Isolation>,
    /// Where the configuration says so, or the plugin's table if it does not.
    pub isolation_location: SourceLocation,
    /// Instances that the connections of a shared plugin are spread over.
    pub instances: usize,
    /// What it may have of what its manifest asks for.
    pub grants: Grants,
    /// Where the configuration says so, or the plugin's table if it does not.
    pub grants_location: SourceLocation,
    /// What happens to a client that does not read.
    pub overflow: OverflowPolicy,
    /// What it may use.
    pub limits: Quota,
    /// What happens to a consumer that cannot move to another version.
    pub on_failed_move: Option<FailedMovePolicy>,
    /// Where the configuration says so.
    pub on_failed_move_location: SourceLocation,
    /// When a new version is rolled back.
    pub rollback: RollbackPolicy,
    /// The layer its consumers talk through.
    pub layer: String,
    /// Where the configuration says so.
    pub layer_location: SourceLocation,
    /// What routes and workers use it as, each role once.
    pub uses: Vec<PluginUse>,
}

/// What a plugin is used as.
#[derive(Debug, Clone, PartialEq)]
pub struct PluginUse {
    /// What it has to export for that.
    pub role: Role,
    /// The key that names the plugin.
    pub key: &'static str,
    /// Where that stands.
    pub location: SourceLocation,
}

/// What happens to a consumer that cannot move to another version of its plugin.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailedMovePolicy {
    /// It ends its life on the version it was made for. Of an instance that many share nobody
    /// moves then, and the new version is rolled back.
    #[default]
    KeepOld,
    /// A fresh consumer without its state takes its place, and is told so.
    Restart,
    /// Its connection closes with 1012.
    Close,
}

/// How much a new version may fail before the one before it comes back.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RollbackPolicy {
    /// How long a new version is watched; zero turns watching off.
    pub window: DurationSetting,
    /// Traps, errors and time-outs per thousand events. Twice the rate of the version before it is
    /// allowed if that is more.
    pub faults_per_thousand: u32,
    /// Events before the rate says anything.
    pub min_events: u64,
    /// Different clients that have to have seen a fault.
    pub min_clients: u64,
    /// How many of a hundred clients have to have seen one.
    pub clients_per_hundred: u64,
}

impl Default for RollbackPolicy {
    fn default() -> Self {
        Self {
            window: DurationSetting::from_secs(30),
            faults_per_thousand: 5,
            min_events: 200,
            min_clients: 3,
            clients_per_hundred: 50,
        }
    }
}

/// Where a plugin's component comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PluginSource {
    /// A built component.
    Component(PathBuf),
    /// A guest crate, built at start.
    Crate(PathBuf),
}

/// What happens when the outbound queue of a connection is at its bound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OverflowPolicy {
    /// The connection closes with 1013.
    #[default]
    Close,
    /// `send` answers `backpressure`; frames of a group are dropped and counted.
    Refuse,
    /// The frames that have waited for longest give way, and are counted: for those to whom only what is new
    /// matters.
    DropOldest,
}

impl PluginConfig {
    /// Notes what it is used as, and where that is said first.
    pub(super) fn record_use(&mut self, used: PluginUse) {
        if self.uses.iter().all(|other| other.role != used.role) {
            self.uses.push(used);
        }
    }

    /// Whether its layer is one of those there are.
    pub(super) fn check_layer<'a>(
        &self,
        name: &str,
        layers: impl Iterator<Item = &'a String> + Clone,
    ) -> Result<(), ConfigError> {
        if layers.clone().any(|layer| *layer == self.layer) {
            return Ok(());
        }
        let meant = match closest_match(&self.layer, layers.map(String::as_str)) {
            Some(layer) => format!("; did you mean {layer:?}?"),
            None => format!("; it would be [layers.{}]", self.layer),
        };
        let problem = format!("there is no layer {:?}{meant}", self.layer);
        Err(self.layer_location.invalid(&format!("plugins.{name}.layer"), problem))
    }

    /// Whether a version may run, by its hash alone.
    ///
    /// # Errors
    /// With the place of the list that it is not in.
    pub fn check_pin(&self, name: &str, version: Sha256Digest) -> Result<(), ConfigError> {
        match &self.pins {
            Some(pins) if !pins.contains(&version) => {
                let problem = format!("does not have {version}, so that this version may not run");
                Err(self.pins_location.invalid(&format!("plugins.{name}.sha256"), problem))
            }
            _ => Ok(()),
        }
    }

    /// Whether its file or folder is there.
    ///
    /// # Errors
    /// With the place in the configuration that names it.
    pub(super) fn check_source_exists(&self, name: &str) -> Result<(), ConfigError> {
        let (key, path, is_there) = match &self.source {
            PluginSource::Component(file) => ("component", file, file.is_file()),
            PluginSource::Crate(folder) => ("crate", folder, folder.is_dir()),
        };
        if is_there {
            return Ok(());
        }
        let what = if key == "crate" { "folder" } else { "file" };
        let problem = format!("there is no {what} {}", path.display());
        Err(self.source_location.invalid(&format!("plugins.{name}.{key}"), problem))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPlugin {
    component: Option<Spanned<PathBuf>>,
    #[serde(rename = "crate")]
    crate_dir: Option<Spanned<PathBuf>>,
    sha256: Option<Spanned<Vec<Sha256Digest>>>,
    grants: Option<Spanned<Grants>>,
    isolation: Option<Spanned<Isolation>>,
    instances: Option<Spanned<usize>>,
    #[serde(default)]
    overflow: OverflowPolicy,
    limits: Option<Spanned<Quota>>,
    on_failed_move: Option<Spanned<FailedMovePolicy>>,
    #[serde(default)]
    rollback: RollbackPolicy,
    layer: Option<Spanned<String>>,
}

/// More instances than this of one plugin are a slip of the keyboard.
const MAX_INSTANCES: usize = 1_000;

pub(super) fn check_all(
    raw: BTreeMap<String, Spanned<RawPlugin>>,
    limits: &Limits,
    folder: &Path,
    location: &Locator<'_>,
) -> Result<BTreeMap<String, PluginConfig>, ConfigError> {
    raw.into_iter()
        .map(|(name, raw)| {
            let span = raw.span();
            let plugin = raw.into_inner().check(&name, span, limits, folder, location)?;
            Ok((name, plugin))
        })
        .collect()
}

impl RawPlugin {
    fn check(
        self,
        name: &str,
        span: Range<usize>,
        limits: &Limits,
        folder: &Path,
        location: &Locator<'_>,
    ) -> Result<PluginConfig, ConfigError> {
        let table = format!("plugins.{name}");
        if !is_valid_plugin_name(name) {
            let problem = "a plugin's name is 1 to 64 of a-z, 0-9, `-` and `_`";
            return Err(location.invalid(span.clone(), &table, problem));
        }
        let (source, source_span) = match (self.component, self.crate_dir) {
            (Some(file), None) => {
                let span = file.span();
                (PluginSource::Component(folder.join(file.into_inner())), span)
            }
            (None, Some(dir)) => {
                let span = dir.span();
                (PluginSource::Crate(folder.join(dir.into_inner())), span)
            }
            (None, None) => {
                let problem = "needs `component = \"FILE.wasm\"` or `crate = \"DIR\"`";
                return Err(location.invalid(span.clone(), &table, problem));
            }
            (Some(_), Some(dir)) => {
                let problem = "has both `component` and `crate`; keep one";
                return Err(location.invalid(dir.span(), &table, problem));
            }
        };
        let instances = check_instances(self.instances, &format!("{table}.instances"), location)?;
        let isolation = self.isolation.as_ref().map(|isolation| *isolation.get_ref());
        if instances > 1 && isolation == Some(Isolation::Connection) {
            let problem = "`instances` is for isolation = \"shared\"; leave one of them out";
            return Err(location.invalid(span.clone(), &table, problem));
        }
        let key = format!("{table}.limits");
        let limits_place = self.limits.as_ref().map_or(0..0, Spanned::span);
        let quota = Quota::check(self.limits, limits, &key, location)?;
        let of_tenants = [
            ("groups", quota.groups.is_some(), "is a tenant's or the host's, since the layers are"),
            ("keyvalue", quota.keyvalue.is_some(), "is a tenant's, since the buckets are"),
        ];
        if let Some((name, _, problem)) = of_tenants.into_iter().find(|(_, is_said, _)| *is_said) {
            return Err(location.invalid(limits_place, &format!("{key}.{name}"), problem));
        }
        Ok(PluginConfig {
            source,
            source_location: location.locate(source_span),
            pins_location: location.locate(self.sha256.as_ref().map_or(0..0, Spanned::span)),
            pins: self.sha256.map(Spanned::into_inner),
            grants_location: location
                .locate(self.grants.as_ref().map_or_else(|| span.clone(), Spanned::span)),
            grants: self.grants.map(Spanned::into_inner).unwrap_or_default(),
            isolation,
            isolation_location: location.locate(self.isolation.map_or(span, |it| it.span())),
            instances,
            overflow: self.overflow,
            limits: quota,
            uses: Vec::new(),
            on_failed_move: self.on_failed_move.as_ref().map(|policy| *policy.get_ref()),
            on_failed_move_location: location
                .locate(self.on_failed_move.map_or(0..0, |policy| policy.span())),
            rollback: self.rollback,
            layer_location: location.locate(self.layer.as_ref().map_or(0..0, Spanned::span)),
            layer: self.layer.map_or_else(|| DEFAULT_LAYER.to_owned(), Spanned::into_inner),
        })
    }
}

/// How many instances a key asks for; one where it is not set.
pub(super) fn check_instances(
    instances: Option<Spanned<usize>>,
    key: &str,
    location: &Locator<'_>,
) -> Result<usize, ConfigError> {
    match instances {
        None => Ok(1),
        Some(count) if (1..=MAX_INSTANCES).contains(count.get_ref()) => Ok(count.into_inner()),
        Some(count) => {
            Err(location.invalid(count.span(), key, format!("must be 1 to {MAX_INSTANCES}")))
        }
    }
}

/// What is said of a plugin that there is none of.
pub(super) fn unknown_plugin_message(
    name: &str,
    plugins: &BTreeMap<String, PluginConfig>,
) -> String {
    let known = plugins.keys().map(String::as_str);
    match closest_match(name, known.clone()) {
        Some(near) => format!("there is no plugin {name:?}; did you mean {near:?}?"),
        None if plugins.is_empty() => {
            format!("there is no plugin {name:?}; add a table [plugins.{name}]")
        }
        None => {
            let known = known.collect::<Vec<_>>().join(", ");
            format!("there is no plugin {name:?}; there are: {known}")
        }
    }
}
